"""Acceptance of the ccxt data client against the rehearsal exchange: cases D01 to D14; docs/reference/adapter-acceptance.md lists them."""

import asyncio
from pathlib import Path

import nautilus_trader.model as m
import pytest

from live.adapter.core import history
from live.adapter.core.feeds import BarFeed, feed
from live.adapter.data import bars_of
from live.adapter.provider import CcxtInstrumentProvider
from tests.acceptance.adapter_node import Play, apart, play
from tests.acceptance.adapter_stage import IDS, SYMBOLS, make_catalog, stage

MARKETS = pytest.mark.parametrize("market", ["spot", "usdm"])
ONE_IS_SLOW = pytest.mark.parametrize("market", ["usdm", pytest.param("spot", marks=pytest.mark.slow)])
HOUR_NS = 3_600_000_000_000


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Path:
    return make_catalog(tmp_path_factory.mktemp("adapter") / "catalog")


def on_node(catalog, market, case, **named):
    """Run a case on a node with both clients."""

    async def main():
        async with stage(catalog, market) as (rehearsal, session), play(rehearsal, session, market, **named) as work:
            await case(work)

    apart(main())


def on_session(catalog, market, case, **changes):
    """Run a case on a public session alone."""

    async def main():
        async with stage(catalog, market, private=False, **changes) as (rehearsal, session):
            await case(rehearsal, session)

    asyncio.run(main())


def bar_type(work: Play) -> m.BarType:
    return m.BarType.from_str(f"{work.instrument_id}-1-HOUR-LAST-EXTERNAL")


@MARKETS
def test_d01_to_d06_the_node_hears_what_the_venue_publishes(catalog, market):
    async def case(work: Play) -> None:
        player, exchange = work.player, work.rehearsal.exchange
        instrument = work.cache.instrument(work.instrument_id)
        assert str(instrument.raw_symbol) == "BTCUSDT", "D01 instruments"
        player.request_bars(bar_type(work), limit=100)
        player.subscribe_bars(bar_type(work))
        player.subscribe_quotes(work.instrument_id)
        player.subscribe_book_deltas(work.instrument_id, m.BookType.L2_MBP)
        if market == "usdm":
            player.subscribe_mark_prices(work.instrument_id)
            player.subscribe_funding_rates(work.instrument_id)
        await work.until(lambda: any(isinstance(item, tuple) for item in player.heard), "D02 history")
        past = next(item[1] for item in player.heard if isinstance(item, tuple))
        closes = [bar.ts_event for bar in past]
        assert len(past) == 100, "D02 history"
        assert closes == list(range(closes[0], closes[0] + 100 * HOUR_NS, HOUR_NS)), "D02 history is without a gap"
        assert closes[-1] == exchange.now_ns - exchange.now_ns % HOUR_NS, "D02 the open bar is not history"
        await asyncio.sleep(0.3)
        await work.rehearsal.turn()
        await work.rehearsal.turn()
        await work.until(lambda: len(player.of(m.Bar)) == 2, "D03 bars")
        first, second = player.of(m.Bar)
        assert (first.ts_event, second.ts_event) == (closes[-1] + HOUR_NS, closes[-1] + 2 * HOUR_NS), (
            "D03 the close is the event"
        )
        reel = exchange.candles(market, "BTCUSDT", None, None, 1000)
        theirs = next(one for one in reel if one.open_ns == first.ts_event - HOUR_NS)
        assert [float(x) for x in (first.open, first.high, first.low, first.close)] == [
            float(x) for x in (theirs.open, theirs.high, theirs.low, theirs.close)
        ], "D03 prices"
        quotes = player.of(m.QuoteTick)
        assert quotes, "D04 quotes"
        assert all(quote.bid_price < quote.ask_price for quote in quotes), "D04 quotes"
        assert work.cache.mark_price(work.instrument_id).ts_event == second.ts_event - 1, (
            "D05 close as mark, 1 ns before the bar"
        )
        assert float(work.cache.mark_price(work.instrument_id).value) == float(second.close), "D05 marks"
        assert player.of(m.OrderBookDeltas), "D06 book"
        if market == "usdm":
            assert player.of(m.MarkPriceUpdate), "D05 the venue's own marks"
            await work.until(lambda: bool(player.of(m.FundingRateUpdate)), "D06 funding")
            player.request_funding_rates(work.instrument_id, limit=5)
            await work.until(
                lambda: any(isinstance(i, tuple) and i[0] == "funding" for i in player.heard), "D06 history of funding"
            )

    on_node(catalog, market, case)


@pytest.mark.slow
@MARKETS
def test_d07_unsubscribed_bars_are_not_told_any_more(catalog, market):
    async def case(work: Play) -> None:
        work.player.subscribe_bars(bar_type(work))
        await asyncio.sleep(0.3)
        await work.rehearsal.turn()
        await work.until(lambda: len(work.player.of(m.Bar)) == 1, "the bar before")
        work.player.unsubscribe_bars(bar_type(work))
        await asyncio.sleep(0.1)
        await work.rehearsal.turn()
        await asyncio.sleep(0.2)
        assert len(work.player.of(m.Bar)) == 1

    on_node(catalog, market, case)


def follow(session, market):
    rows = []
    made = BarFeed(session, SYMBOLS[market], "1-HOUR", rows.append)
    return rows, asyncio.ensure_future(made.run())


async def wait_for(condition, what: str, secs: float = 6.0) -> None:
    for _ in range(int(secs / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what} did not come in {secs:g} s")


@pytest.mark.slow
@MARKETS
@pytest.mark.parametrize("fault", ["websocket_drop", "mute_socket"])
def test_d08_and_d09_a_gap_in_the_stream_leaves_none_in_the_bars(catalog, market, fault):
    async def case(rehearsal, session):
        rows, task = follow(session, market)
        await asyncio.sleep(0.2)
        await rehearsal.turn()
        chosen = rehearsal.streams.wearing("market")
        for connection in chosen:
            if fault == "websocket_drop":
                connection.drop()
            else:
                connection.muted = True
        for _ in range(3):
            await rehearsal.turn()
        await wait_for(lambda: session.notes.all("recovered"), "the recovery")
        await rehearsal.turn()
        await rehearsal.step(1)
        await wait_for(lambda: len(rows) == 5, "five bars")
        assert [row.open_ms for row in rows] == [rows[0].open_ms + 3_600_000 * k for k in range(5)]
        theirs = {
            one.open_ns // 1_000_000: one for one in rehearsal.exchange.candles(market, "BTCUSDT", None, None, 1000)
        }
        assert all(
            row.close == float(theirs[row.open_ms].close) and row.high == float(theirs[row.open_ms].high)
            for row in rows
        )
        assert session.notes.all("gap")
        task.cancel()

    on_session(catalog, market, case)


@pytest.mark.slow
@MARKETS
def test_d10_an_order_to_wait_stops_every_request_until_it_is_over(catalog, market):
    async def case(rehearsal, session):
        from engine.contract.rehearsal import Fault

        rehearsal.exchange.faults.add(Fault(kind="rate_limited", nth=1, retry_after_secs=1))
        with pytest.raises(Exception, match="429"):
            await session.call("fetch_ohlcv", SYMBOLS[market], "1h")
        begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(session.call("fetch_time") for _ in range(3)))
        assert asyncio.get_running_loop().time() - begun >= 0.9
        assert len(session.notes.all("pause")) == 1

    on_session(catalog, market, case)


@pytest.mark.slow
@MARKETS
def test_d11_a_book_that_lost_its_sequence_is_read_anew_and_never_crossed(catalog, market):
    async def case(rehearsal, session):
        from engine.contract.rehearsal import Fault

        books = []
        made = feed(
            session,
            "book",
            SYMBOLS[market],
            lambda b: books.append((b["bids"][0][0], b["asks"][0][0]) if b["bids"] else None),
        )
        task = asyncio.ensure_future(made.run())
        await asyncio.sleep(0.2)
        await rehearsal.step(4)
        rehearsal.exchange.faults.add(Fault(kind="book_gap", nth=1, count=2))
        for _ in range(4):
            await rehearsal.turn()
            await asyncio.sleep(0.05)
        best = rehearsal.exchange.venues[market].best["BTCUSDT"]
        await wait_for(lambda: books and books[-1] == (float(best.bid), float(best.ask)), "the venue's best prices")
        assert all(one is None or one[0] < one[1] for one in books)
        task.cancel()

    on_session(catalog, market, case)


@pytest.mark.slow
@MARKETS
def test_d12_the_clock_is_the_venues_and_is_set_anew_when_the_venue_complains(catalog, market):
    async def case(rehearsal, session):
        assert abs(session.clock.now_ns() - rehearsal.exchange.served_ns) < 2_000_000
        rehearsal.exchange.skew_ns = 60_000_000_000
        await session.synchronise()
        assert abs(session.clock.now_ns() - rehearsal.exchange.served_ns) < 2_000_000

    on_session(catalog, market, case)


@MARKETS
def test_d13_history_is_had_without_a_node_and_equals_the_catalog(catalog, market, monkeypatch):
    monkeypatch.setattr(history, "PAGE", 40)
    from catalogs.arrays import read_bars

    async def case(rehearsal, session):
        end = rehearsal.exchange.now_ns
        bars = await bars_of(session, IDS[market], "1-HOUR", end - 150 * HOUR_NS, end)
        kept = read_bars(catalog, IDS[market], "1-HOUR", end - 150 * HOUR_NS, end)
        assert len(bars) == 150
        assert [float(bar.close) for bar in bars] == kept.close.tolist()
        assert [float(bar.volume) for bar in bars] == kept.volume.tolist()

    on_session(catalog, market, case)


@ONE_IS_SLOW
def test_d14_everything_received_reaches_the_recorder_as_it_came(catalog, market):
    rows = []

    async def case(rehearsal, session):
        session.recorder = lambda kind, ts_ns, payload: rows.append((kind, payload))
        collected, task = follow(session, market)
        await asyncio.sleep(0.2)
        await rehearsal.turn()
        await rehearsal.step(1)
        await wait_for(lambda: bool(collected), "a bar")
        await session.call("fetch_time")
        provider = CcxtInstrumentProvider(session, [IDS[market]])
        await provider.initialize()
        assert provider.spec(IDS[market]).price_precision == 2
        task.cancel()

    on_session(catalog, market, case)
    closed = [payload["message"] for kind, payload in rows if kind == "frame" and "kline" in str(payload["message"])]
    assert any(one.get("k", {}).get("x") for one in closed)
    assert any(kind == "rest" and payload["path"].endswith("/time") for kind, payload in rows)
