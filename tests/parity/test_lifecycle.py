"""Changes of policy in a live node: scripted ones as in the back test, those of the registry on the tape, so that a replay repeats them."""

import asyncio
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.contract.config import Config, parse
from engine.journal.journal import read
from engine.journal.run import JOURNAL, read_json
from engine.policy.history import History
from engine.policy.promotion import place
from live.parity.proving import prove
from live.parity.recorded import prove_recorded
from live.recording.rows import Assigned
from live.recording.tape import read_tape
from live.replay.connection import CatalogConnection
from live.running import execute
from strategies.backtest import load
from strategies.policy.records import LIFECYCLE, SHADOW, SHADOW_STORE
from tests.parity.market import HOUR_NS, START_NS, write_market
from tests.policies import altered, clone

WARM_UP = 200
COINS = ["BTCUSDT.BINANCE", "ETHUSDT.BINANCE"]


def configuration(folder: Path, bars: int, lifecycle: dict[str, Any]) -> Config:
    write_market(folder / "catalog", COINS, WARM_UP + bars)
    start = dt.datetime.fromtimestamp((START_NS + WARM_UP * HOUR_NS) / 1e9, dt.UTC)
    document: dict[str, Any] = {
        "run": {"name": "lifecycle", "seed": 1},
        "data": {"catalog": str(folder / "catalog"), "start": start},
        "universe": {"instruments": COINS},
        "strategy": {"name": "policy"},
        "policy": {"path": str(clone(folder / "policies", "2"))},
        "limits": {"max_position_frac": 0.4},
        "live": {"market": "spot"},
        "lifecycle": lifecycle,
    }
    return parse(document)


@pytest.mark.slow
def test_scripted_changes_are_the_same_in_a_live_node_and_in_the_back_test(tmp_path: Path) -> None:
    start = dt.datetime.fromtimestamp((START_NS + WARM_UP * HOUR_NS) / 1e9, dt.UTC)
    other = altered(clone(tmp_path / "policies", "3"), "Neg")
    kinds = {20: "shadow", 40: "canary", 70: "rollback", 90: "promote"}
    events = [
        {"at": start + dt.timedelta(hours=hour), "event": kind, "policy": str(other)} for hour, kind in kinds.items()
    ]
    events[2].pop("policy")
    verdict = prove(configuration(tmp_path, 120, {"events": events}), through="catalog")
    assert (verdict.passed, verdict.first_difference) == (True, None)
    assert verdict.figures["decisions"] >= 240


class Steered(CatalogConnection):
    """A catalog that lets something happen after so many items, and gives the session time to notice."""

    def __init__(self, config: Config, happens: dict[int, Callable[[], object]]) -> None:
        market, _ = load(config)
        super().__init__(config, market)
        self._happens = happens

    async def drive(self, settled: Callable[[], bool]) -> None:
        for number, item in enumerate(self._items):
            if number in self._happens:
                while not settled():
                    await asyncio.sleep(0.001)
                self._happens[number]()
                await asyncio.sleep(1.5)
            self._hear(item)
        while not settled():
            await asyncio.sleep(0.001)


@pytest.mark.slow
def test_session_goes_with_the_registry_and_its_tape_gives_every_swap_again(tmp_path: Path) -> None:
    root, policies = tmp_path / "registry", tmp_path / "policies"
    terms = {"follow": "trend", "registry": str(root), "max_shortfall_frac": 1e-9, "least_decisions": 5}
    config = configuration(tmp_path, 150, terms)
    twin, other = clone(policies, "3"), altered(clone(policies, "4"), "Neg")
    tampered = clone(policies, "5")
    place("promote", config.policy.path, "ann", "first", root=root)  # type: ignore[union-attr]

    history = History("trend", root)
    happens: dict[int, Callable[[], object]] = {
        100: lambda: place("shadow", str(twin), "ann", "try", root=root),
        250: lambda: place("promote", str(twin), "ann", "equal", root=root),
        400: lambda: ((tampered / "CARD.md").write_text("x"), history.append("shadow", _seat(tampered), "ann", "try")),
        500: lambda: place("canary", str(other), "ann", "try", share=0.1, root=root),
    }
    said: list[str] = []
    _, session = load(config)
    assert session is not None
    folder, document = execute(config, session, Steered(config, happens), "paper", tmp_path / "runs", say=said.append)
    entries = read(folder / JOURNAL)
    assert document["decisions"] == len(entries) == 300
    versions = list(dict.fromkeys(entry.version for entry in entries))
    assert versions == ["2", "3", "3+0.1*4"]
    assert entries[-1].version == "3"
    assigned = [item for item in read_tape(folder) if isinstance(item, Assigned)]
    assert len(assigned) >= 3
    assert any(line.startswith("refused: CARD.md digest must be") for line in said)
    rows = history.rows()
    assert [row.event for row in rows[-2:]] == ["canary", "rollback"]
    assert (rows[-1].by, rows[-1].evidence["run"]) == ("rule", folder.name)
    assert (folder / SHADOW).is_file()
    assert not list(folder.glob(f"{SHADOW_STORE}*"))
    assert read_json(folder / LIFECYCLE)["assignment"]["champion"]["policy"] == "trend@3"
    verdict = prove_recorded(folder)
    assert (verdict.passed, verdict.first_difference) == (True, None)


def _seat(folder: Path) -> Any:
    from engine.policy.assignment import Seat
    from tests.policies import unchecked

    manifest = unchecked(folder)
    return Seat(f"trend@{folder.name}", manifest.digest, str(folder), manifest.contract_digest)
