"""Acceptance of the ccxt execution client against the rehearsal exchange: cases E01 to E25 of docs/reference/adapter-acceptance.md."""

import asyncio
import gc
from decimal import Decimal
from pathlib import Path
from typing import Any

import nautilus_trader.model as m
import pytest
from nautilus_trader.adapters.binance import (
    decode_binance_futures_client_order_id,
    decode_binance_spot_client_order_id,
)

from engine.contract.config import Limits
from engine.contract.errors import ConfigError
from engine.contract.rehearsal import Fault
from live.adapter.core import orders as route
from live.adapter.core.session import ExchangeSession, SessionSettings
from live.adapter.execution import CcxtExecutionClient, CcxtExecutionConfig
from live.rehearsal.control import truth
from live.rehearsal.tape import Quote
from tests.acceptance.adapter_node import Play, apart, play
from tests.acceptance.adapter_stage import ENVIRONMENT, IDS, SYMBOLS, make_catalog, stage

MARKETS = pytest.mark.parametrize("market", ["spot", "usdm"])
CLIENTS = pytest.mark.parametrize("client", ["ccxt", pytest.param("native", marks=pytest.mark.slow)])
LOST_ANSWERS = ("error_after_accept", "drop_after_accept", "truncate_after_accept", "hang_after_accept")
WITH_NATIVE = pytest.mark.parametrize(
    ("client", "market"), [("ccxt", "spot"), ("ccxt", "usdm"), pytest.param("native", "usdm", marks=pytest.mark.slow)]
)
ONE_IS_SLOW = pytest.mark.parametrize("market", ["usdm", pytest.param("spot", marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Path:
    return make_catalog(tmp_path_factory.mktemp("adapter") / "catalog")


def on_node(catalog: Path, market: str, case: Any, session: dict[str, Any] | None = None, **named: Any) -> None:
    """Run a case on a node with both clients, after a first bar."""

    async def main() -> None:
        async with (
            stage(catalog, market, **(session or {})) as (rehearsal, opened),
            play(rehearsal, opened, market, **named) as work,
        ):
            await quoted(work)
            await case(work)

    apart(main())


async def quoted(work: Play) -> None:
    """Subscribe to quotes and play until one stands."""
    work.player.subscribe_quotes(work.instrument_id)
    await asyncio.sleep(0.2)
    await stand(work)
    await work.until(lambda: bool(work.player.of(m.QuoteTick)), "a quote")


async def stand(work: Play) -> None:
    """Play until the next quote: what comes then meets it at once."""
    while not any(isinstance(event, Quote) for event in await work.rehearsal.step(1)):
        pass


def told(work: Play) -> dict[str, Any]:
    return truth(work.rehearsal.exchange)[work.market]


def venue_position(work: Play) -> Decimal:
    if work.market == "spot":
        return Decimal(told(work)["balances"].get("BTC", {"free": "0"})["free"])
    return Decimal(told(work)["positions"].get("BTCUSDT", {"quantity": "0"})["quantity"])


def own_id(market: str, venue_id: str) -> str:
    decode = decode_binance_spot_client_order_id if market == "spot" else decode_binance_futures_client_order_id
    return str(decode(venue_id))


def orders_at_venue(work: Play, client_order_id: Any) -> list[dict[str, Any]]:
    """Rows of an order at the venue; the native client writes its ids in another form there."""
    wanted = str(client_order_id)
    return [
        order
        for order in told(work)["orders"]
        if wanted in (order["client_order_id"], own_id(work.market, order["client_order_id"]))
    ]


async def settled(work: Play, secs: float = 0.4) -> None:
    await asyncio.sleep(secs)


async def closed(work: Play, id_: Any, status: m.OrderStatus, secs: float = 8.0) -> None:
    await work.until(lambda: work.status(id_) == status, f"{status} of {id_}", secs)


@MARKETS
@CLIENTS
def test_e01_to_e06_orders_of_every_kind(catalog, market, client):
    async def case(work: Play) -> None:
        player = work.player
        bought = await work.filled(work.submit(work.order("buy", "0.5")))
        assert player.names(bought.client_order_id) == [
            "OrderInitialized",
            "OrderSubmitted",
            "OrderAccepted",
            "OrderFilled",
        ], "E01 market"
        fill = next(e for e in player.events if type(e).__name__ == "OrderFilled")
        assert fill.commission.as_decimal() > 0, "E01 fee"
        assert str(fill.commission.currency) == "USDT", "E01 fee"
        assert fill.liquidity_side == m.LiquiditySide.TAKER, "E01 liquidity"
        assert work.net() == Decimal("0.5") == venue_position(work), "E01 position"
        low = work.submit(work.order("buy", "0.1", price="1000.00"))
        await work.accepted(low)
        assert orders_at_venue(work, low)[0]["status"] == "NEW", "E02 limit"
        player.cancel_order(low)
        await closed(work, low, m.OrderStatus.CANCELED)
        assert orders_at_venue(work, low)[0]["status"] == "CANCELED", "E03 cancel"
        await stand(work)
        best = work.rehearsal.exchange.venues[market].best["BTCUSDT"]
        crossing = work.submit(work.order("buy", "0.1", price=f"{best.ask * 2:.2f}", post_only=True))
        await closed(work, crossing, m.OrderStatus.REJECTED)
        rejected = next(e for e in player.events if type(e).__name__ == "OrderRejected")
        assert rejected.due_post_only, "E04 post-only that would take"
        resting = work.submit(work.order("buy", "0.1", price="1000.00", post_only=True))
        await work.accepted(resting)
        many = [work.submit(work.order("buy", "0.1", price=f"{900 + k}.00")) for k in range(3)]
        for one in many:
            await work.accepted(one)
        player.cancel_all_orders(work.instrument_id)
        for one in (resting, *many):
            await closed(work, one, m.OrderStatus.CANCELED)
        assert not [o for o in told(work)["orders"] if o["status"] in ("NEW", "PARTIALLY_FILLED")], "E05 cancel-all"
        sold = await work.filled(work.submit(work.order("sell", "0.5")))
        assert sold.filled_qty == sold.quantity, "E06 back to flat"
        assert work.net() == 0 == venue_position(work), "E06 back to flat"

    on_node(catalog, market, case, client=client)


@pytest.mark.slow
@WITH_NATIVE
def test_e07_balances_follow_every_fill(catalog, market, client):
    async def case(work: Play) -> None:
        await work.filled(work.submit(work.order("buy", "0.5")))
        await settled(work)
        account = work.portfolio.account(m.Venue("BINANCE"))
        totals = {str(c): Decimal(str(b.total.as_decimal())) for c, b in account.balances().items()}
        if market == "spot":
            theirs = told(work)["balances"]
            assert totals["USDT"] == Decimal(theirs["USDT"]["free"]) + Decimal(theirs["USDT"]["locked"])
            assert totals["BTC"] == Decimal("0.5")
        else:
            assert totals["USDT"] == Decimal(told(work)["balances"]["USDT"]["wallet"]).quantize(Decimal("1e-8"))

    on_node(catalog, market, case, client=client)


@pytest.mark.slow
@CLIENTS
def test_e08_to_e10_what_only_a_perpetual_has(catalog, client):
    async def case(work: Play) -> None:
        player = work.player
        assert told(work)["positions"].get("BTCUSDT", {}).get("leverage", 5) == 5, "E08 leverage"
        short = await work.filled(work.submit(work.order("sell", "0.4")))
        assert work.net() == Decimal("-0.4") == venue_position(work), "E08 short"
        assert told(work)["positions"]["BTCUSDT"]["leverage"] == 5, "E08 leverage"
        assert short.is_closed
        reduce = await work.filled(work.submit(work.order("buy", "0.1", reduce_only=True)))
        assert reduce.is_reduce_only, "E09 reduce-only"
        assert work.net() == Decimal("-0.3"), "E09 reduce-only"
        opening = work.submit(work.order("sell", "0.1", reduce_only=True))
        await work.until(
            lambda: work.status(opening) in (m.OrderStatus.REJECTED, m.OrderStatus.CANCELED, m.OrderStatus.EXPIRED),
            "E09 refusal",
        )
        limit = work.submit(work.order("buy", "0.1", price="1000.00"))
        await work.accepted(limit)
        player.modify_order(limit, quantity=m.Quantity.from_str("0.200"), price=m.Price.from_str("1100.00"))
        await work.until(lambda: "OrderUpdated" in player.names(limit), "E10 modification")
        order = work.cache.order(limit)
        assert (str(order.price), order.quantity.as_decimal()) == ("1100.00", Decimal("0.2")), "E10 modify"
        row = orders_at_venue(work, limit)
        assert len(row) == 1, "E10 modify"
        assert Decimal(row[0]["price"]) == 1100, "E10 modify"
        assert Decimal(row[0]["quantity"]) == Decimal("0.2"), "E10 modify"

    on_node(catalog, "usdm", case, client=client, leverage={IDS["usdm"]: 5.0})


@pytest.mark.slow
def test_e10_spot_refuses_to_modify_and_leaves_the_order(catalog):
    async def case(work: Play) -> None:
        limit = work.submit(work.order("buy", "0.1", price="1000.00"))
        await work.accepted(limit)
        work.player.modify_order(limit, quantity=m.Quantity.from_str("0.2000"), price=m.Price.from_str("1100.00"))
        await work.until(lambda: "OrderModifyRejected" in work.player.names(limit), "the refusal")
        assert orders_at_venue(work, limit)[0]["status"] == "NEW"

    on_node(catalog, "spot", case)


@pytest.mark.slow
@CLIENTS
def test_e11_a_stop_triggers_and_fills_under_its_own_id(catalog, client):
    async def case(work: Play) -> None:
        await work.filled(work.submit(work.order("buy", "0.5")))
        best = work.rehearsal.exchange.venues["usdm"].best["BTCUSDT"]
        near = f"{best.bid * Decimal('0.9999'):.2f}"
        stop = work.submit(work.order("sell", "0.5", trigger=near, reduce_only=True))
        await work.accepted(stop)
        for _ in range(60):
            await work.rehearsal.turn()
            await asyncio.sleep(0.02)
            if work.status(stop) == m.OrderStatus.FILLED:
                break
        await closed(work, stop, m.OrderStatus.FILLED)
        assert work.net() == 0 == venue_position(work)

    on_node(catalog, "usdm", case, client=client)


@ONE_IS_SLOW
def test_e12_the_gate_is_asked_again_and_nothing_is_sent(catalog, market):
    async def case(work: Play) -> None:
        id_ = work.submit(work.order("buy", "3"))
        await closed(work, id_, m.OrderStatus.DENIED)
        denied = next(e for e in work.player.events if type(e).__name__ == "OrderDenied")
        assert "max_position_frac" in denied.reason
        assert orders_at_venue(work, id_) == []

    on_node(catalog, market, case, limits=Limits(max_position_frac=0.1, max_gross_frac=0.5))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("client", "market", "kind"),
    [
        *(("ccxt", market, kind) for market in ("spot", "usdm") for kind in LOST_ANSWERS),
        ("native", "usdm", "drop_after_accept"),
    ],
)
def test_e13_an_answer_lost_after_acceptance_is_found_and_never_sent_again(catalog, market, kind, client):
    async def case(work: Play) -> None:
        work.rehearsal.exchange.faults.add(Fault(kind=kind, nth=1, seconds=2.0))
        id_ = work.submit(work.order("buy", "0.5"))
        await work.accepted(id_)
        await work.rehearsal.step(3)
        await closed(work, id_, m.OrderStatus.FILLED)
        assert len(orders_at_venue(work, id_)) == 1
        assert work.net() == Decimal("0.5") == venue_position(work)
        assert work.player.names(id_).count("OrderFilled") == 1

    on_node(catalog, market, case, client=client)


@pytest.mark.slow
@MARKETS
def test_e14_an_order_lost_before_acceptance_ends_rejected_with_the_reason(catalog, market):
    async def case(work: Play) -> None:
        work.rehearsal.exchange.faults.add(Fault(kind="drop_before_accept", nth=1))
        id_ = work.submit(work.order("buy", "0.5"))
        await closed(work, id_, m.OrderStatus.REJECTED)
        rejected = next(e for e in work.player.events if type(e).__name__ == "OrderRejected")
        assert rejected.reason.startswith("never reached the venue: ")
        assert orders_at_venue(work, id_) == []

    on_node(catalog, market, case)


@pytest.mark.slow
@MARKETS
@CLIENTS
def test_e15_partial_fills_are_each_told_once(catalog, market, client):
    async def case(work: Play) -> None:
        work.rehearsal.exchange.faults.add(Fault(kind="partial_fill", nth=1, count=2, fraction=0.4))
        id_ = work.submit(work.order("buy", "0.5"))
        await work.accepted(id_)
        for _ in range(20):
            await work.rehearsal.step(2)
            await asyncio.sleep(0.02)
            if work.status(id_) == m.OrderStatus.FILLED:
                break
        await closed(work, id_, m.OrderStatus.FILLED)
        fills = [e for e in work.player.events if type(e).__name__ == "OrderFilled"]
        assert len(fills) > 1
        assert sum(fill.last_qty.as_decimal() for fill in fills) == Decimal("0.5") == venue_position(work)

    on_node(catalog, market, case, client=client)


@pytest.mark.parametrize(
    ("client", "market"),
    [("ccxt", "usdm"), *(pytest.param(*one, marks=pytest.mark.slow) for one in (("ccxt", "spot"), ("native", "usdm")))],
)
def test_e16_a_cancel_that_loses_the_race_ends_in_the_fill(catalog, market, client):
    async def case(work: Play) -> None:
        best = work.rehearsal.exchange.venues[market].best["BTCUSDT"]
        id_ = work.submit(work.order("buy", "0.5", price=f"{best.bid * Decimal('0.999'):.2f}"))
        await work.accepted(id_)
        work.rehearsal.exchange.faults.add(Fault(kind="cancel_fill_race", nth=1))
        work.player.cancel_order(id_)
        await closed(work, id_, m.OrderStatus.FILLED)
        assert work.net() == Decimal("0.5") == venue_position(work)

    on_node(catalog, market, case, client=client)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("client", "market", "way"),
    [
        ("ccxt", "spot", "drop"),
        ("ccxt", "spot", "mute"),
        ("ccxt", "usdm", "drop"),
        ("ccxt", "usdm", "mute"),
        ("native", "usdm", "drop"),
    ],
)
def test_e17_fills_that_the_stream_swallowed_come_over_rest(catalog, market, way, client):
    async def case(work: Play) -> None:
        id_ = work.submit(work.order("buy", "0.5"))
        await work.accepted(id_)
        for connection in work.rehearsal.streams.wearing("user"):
            if way == "drop":
                connection.drop()
            else:
                connection.muted = True
        await work.rehearsal.step(3)
        await closed(work, id_, m.OrderStatus.FILLED)
        assert work.player.names(id_).count("OrderFilled") == 1
        assert work.net() == Decimal("0.5") == venue_position(work)
        again = await work.filled(work.submit(work.order("sell", "0.2")))
        assert again.is_closed

    on_node(catalog, market, case, client=client)


@pytest.mark.slow
@pytest.mark.parametrize(("client", "market"), [("ccxt", "spot"), ("ccxt", "usdm"), ("native", "usdm")])
def test_e18_a_restart_takes_over_order_and_position(catalog, market, client):
    async def main() -> None:
        async with stage(catalog, market) as (rehearsal, session):
            async with play(rehearsal, session, market, claims=True, client=client) as work:
                await quoted(work)
                await work.filled(work.submit(work.order("buy", "0.5")))
                kept = work.submit(work.order("buy", "0.1", price="1000.00"))
                await work.accepted(kept)
                entry = Decimal(str(work.cache.positions_open()[0].avg_px_open))
            gc.collect()
            async with play(rehearsal, session, market, claims=True, client=client) as work:
                await work.until(lambda: work.net() == Decimal("0.5"), "the position")
                position = work.cache.positions_open()[0]
                assert str(position.strategy_id) == "PLAYER-001"
                assert abs(Decimal(str(position.avg_px_open)) - entry) < Decimal("0.01")
                assert work.status(kept) == m.OrderStatus.ACCEPTED
                work.player.cancel_order(kept)
                await closed(work, kept, m.OrderStatus.CANCELED)
                await quoted(work)
                await work.filled(work.submit(work.order("sell", "0.5")))
                assert work.net() == 0 == venue_position(work)

    apart(main())


@pytest.mark.slow
@MARKETS
def test_e19_a_pause_that_the_venue_orders_denies_what_would_wait_too_long(catalog, market):
    async def case(work: Play) -> None:
        work.session.pause.hear(429, {"Retry-After": "30"})
        id_ = work.submit(work.order("buy", "0.5"))
        await closed(work, id_, m.OrderStatus.REJECTED)
        assert (
            "the venue ordered a pause"
            in next(e for e in work.player.events if type(e).__name__ == "OrderRejected").reason
        )
        work.session.pause._until = 0.0
        assert orders_at_venue(work, id_) == []

    on_node(catalog, market, case)


def test_e20_an_exchange_without_evidence_is_refused_with_the_reason():
    environment = {name.replace("BINANCE", "KRAKEN"): value for name, value in ENVIRONMENT.items()}
    session = ExchangeSession(SessionSettings(exchange="kraken", private=True), environment=environment)
    config = CcxtExecutionConfig(session=session, instrument_ids=[])
    with pytest.raises(ConfigError, match="live trading must be on one of binance spot, binance usdm, was kraken spot"):
        CcxtExecutionClient(name="KRAKEN", config=config, cache=None, clock=None, trader_id=m.TraderId("HURACAN-001"))


@pytest.mark.slow
@MARKETS
def test_e21_the_engines_own_checks_at_every_moment_invent_no_fill(catalog, market):
    asked: list[str] = []

    async def case(work: Play) -> None:
        work.session.recorder = lambda kind, ts_ns, payload: asked.append(payload.get("path", ""))
        for number in range(8):
            if number == 4:
                for connection in work.rehearsal.streams.wearing("user"):
                    connection.muted = True
            side = "sell" if number % 3 == 2 else "buy"
            await work.filled(work.submit(work.order(side, "0.2")))
            await asyncio.sleep(0.2)
        await settled(work, 1.0)
        fills = [e for e in work.player.events if type(e).__name__ == "OrderFilled"]
        assert {str(fill.trade_id) for fill in fills} == {str(trade["trade_id"]) for trade in told(work)["trades"]}
        assert len(fills) == len(told(work)["trades"]) == 8
        assert work.net() == Decimal("0.8") == venue_position(work)
        assert sum(path.endswith("/openOrders") for path in asked) > 8, "the engine did check"

    checks = {
        "open_check_interval_secs": 0.2,
        "open_check_threshold_ms": 0,
        "position_check_interval_secs": 0.2,
        "position_check_threshold_ms": 0,
        "inflight_check_interval_ms": 100,
        "inflight_check_threshold_ms": 100,
    }
    on_node(catalog, market, case, engine=checks)


@pytest.mark.slow
@WITH_NATIVE
def test_e22_a_lost_answer_stays_unresolved_for_the_engine_until_it_is_found(catalog, market, client):
    async def case(work: Play) -> None:
        work.rehearsal.exchange.faults.add(Fault(kind="hang_after_accept", nth=1, seconds=3.0))
        for connection in work.rehearsal.streams.wearing("user"):
            connection.muted = True
        id_ = work.submit(work.order("buy", "0.5", price="1000.00"))
        await work.accepted(id_)
        assert work.player.names(id_) == ["OrderInitialized", "OrderSubmitted", "OrderAccepted"]
        assert len(orders_at_venue(work, id_)) == 1

    on_node(
        catalog,
        market,
        case,
        client=client,
        engine={"inflight_check_interval_ms": 100, "inflight_check_threshold_ms": 200},
    )


@pytest.mark.slow
@MARKETS
def test_e23_a_list_is_sent_whole_or_not_at_all(catalog, market):
    async def case(work: Play) -> None:
        both = [work.order("buy", "0.1", price="1000.00"), work.order("buy", "0.1", price="1100.00")]
        work.player.submit_order_list(both)
        for order in both:
            await work.accepted(order.client_order_id)
        mixed = [work.order("buy", "0.1", price="1000.00"), work.order("buy", "5", price="9000.00")]
        work.player.submit_order_list(mixed)
        for order in mixed:
            await closed(work, order.client_order_id, m.OrderStatus.DENIED)
            assert orders_at_venue(work, order.client_order_id) == []

    on_node(catalog, market, case, limits=Limits(max_position_frac=0.3, max_gross_frac=0.5))


@pytest.mark.slow
@WITH_NATIVE
def test_e24_an_order_that_a_person_sent_becomes_an_external_one(catalog, market, monkeypatch, client):
    monkeypatch.setattr(route, "FOREIGN_SECS", 0.3)

    async def case(work: Play) -> None:
        await stand(work)
        symbol = SYMBOLS[market]
        await work.session.call("create_order", symbol, "market", "buy", 0.3, None, {"clientOrderId": "web_by_hand"})
        await work.until(lambda: work.net() == Decimal("0.3"), "the position of the person's order")
        assert venue_position(work) == Decimal("0.3")
        noted = [note.what for note in work.session.notes.all("foreign order")]
        assert noted == (["foreign order"] if client == "ccxt" else []), "the native client leaves no notes"

    on_node(catalog, market, case, client=client)


@pytest.mark.slow
def test_e25_an_account_with_longs_and_shorts_side_by_side_is_refused(catalog):
    async def main() -> None:
        async with stage(catalog, "usdm") as (_, session):

            async def hedged(symbol: str | None = None) -> dict[str, Any]:
                return {"hedged": True}

            session.exchange.fetch_position_mode = hedged
            config = CcxtExecutionConfig(session=session, instrument_ids=[])
            client = CcxtExecutionClient(
                name="B", config=config, cache=None, clock=None, trader_id=m.TraderId("HURACAN-001")
            )
            with pytest.raises(ConfigError, match="position mode must be one-way, was hedged"):
                await client._check_mode()

    apart(main())
