"""Sessions that are killed and gone on with, in processes of their own, on a rehearsal exchange that outlives them."""

import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.config import Config, load
from live.recovery.drill import NEVER, Drill, stage
from live.recovery.soak import Soak
from live.recovery.verification import not_exercised, staged_config
from live.rehearsal.order import OrderRequest
from tests.conftest import ROOT

PERP, NATIVE = "BTCUSDT-PERP.BINANCE", "BTCUSDT"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    store_markets(tmp_path / "catalog", synthesise("null", 600, 1), [PERP])
    return load(ROOT / "configs" / "recovery.toml", [f'data.catalog="{tmp_path / "catalog"}"'])


@pytest.mark.slow
def test_session_that_is_killed_around_an_order_ends_as_one_that_never_was(config: Config, tmp_path: Path) -> None:
    drill = Drill(staged_config(config, 8), "live", tmp_path / "work", print)
    plain = drill.uninterrupted()
    assert plain.told["trades"]
    points = [
        drill.point(0, [("before create_order", 2)]),
        drill.point(1, [("after create_order", 3), ("", 4)]),
    ]
    assert [point.problems for point in points] == [[], []]
    assert points[0].steps == ["2 before create_order"]
    assert len(points[1].steps) == 2
    missing = not_exercised(drill, points, "live")
    assert "live: a day's end" in missing
    assert "live: a kill before a commit" in missing
    assert "live: a kill before create_order" not in missing
    assert "live: the rule 'intent that never arrived'" not in missing


@pytest.mark.slow
def test_difference_that_no_rule_resolves_blocks_the_start_with_both_sides_and_changes_nothing(
    config: Config, tmp_path: Path
) -> None:
    drill = Drill(staged_config(config, 8), "live", tmp_path / "work", print)
    folder = tmp_path / "work" / "blocked"
    out, run = folder / "session.out", folder / "var" / "runs"
    with stage(staged_config(config, 8), folder, "live") as hosted:
        assert hosted is not None
        venue: Any = hosted.rehearsal.exchange.venues["usdm"]

        async def by_hand(quantity: str, kind: Any, price: Decimal | None) -> None:
            side: Any = "BUY" if Decimal(quantity) > 0 else "SELL"
            size = abs(Decimal(quantity))
            request = OrderRequest(
                symbol=NATIVE,
                side=side,
                kind=kind,
                client_order_id="by-hand",
                wire_type=kind,
                quantity=size,
                price=price,
            )
            venue.place(request, hosted.now_ns)

        assert drill.session(folder, False, ("", 640)) == -signal.SIGKILL
        before = venue.ledger.positions[NATIVE].quantity
        assert before
        low = (venue.best[NATIVE].bid * Decimal("0.8")).quantize(Decimal("0.01"))
        hosted.call(by_hand("0.5", "LIMIT", low))
        assert drill.session(folder, True, NEVER) == 3
        told = " ".join(out.read_text().split())
        assert "block by-hand: foreign order; here unknown, at the venue open, buy 0.5" in told
        assert (run / ".recovery-0001.partial").is_dir()
        venue.cancel(
            next(order for order in venue.orders.values() if order.client_order_id == "by-hand"), hosted.now_ns
        )
        venue.ledger.positions[NATIVE].quantity += Decimal("0.1")
        out.unlink()
        assert drill.session(folder, True, NEVER) == 3
        told = " ".join(out.read_text().split())
        assert f"{PERP}: unexplained position; here {before.normalize()}, at the venue" in told
        venue.ledger.positions[NATIVE].quantity -= Decimal("0.1")
        assert drill.session(folder, True, NEVER) == 0
    assert (run / "recovery-0001").is_dir()


@pytest.mark.slow
def test_soak_of_a_minute_with_two_kills_ends_with_the_venues_orders_position_and_balance(tmp_path: Path) -> None:
    found = Soak(tmp_path, 60.0, 2, 3, print).run()
    assert found.problems == []
    assert found.kills >= 1
    assert found.trades > 10
