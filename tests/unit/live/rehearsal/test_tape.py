"""What is published of a catalog, and when: the quotes and marks of a back test, at the same nanoseconds."""

from decimal import Decimal
from itertools import chain, pairwise

import pytest
from nautilus_trader.model import Bar, FundingRateUpdate, MarkPriceUpdate, QuoteTick

from live.rehearsal.exchange import Exchange
from live.rehearsal.tape import Candle, FundingRate, MarkPrice, Print, Quote, read_tape
from strategies.feed import chunks, read_market
from tests.unit.live.rehearsal.conftest import PERPETUAL, configuration

HOUR_NS = 3_600_000_000_000


@pytest.mark.parametrize("fill", ["next_open", "this_close", "next_close"])
def test_tape_publishes_what_a_back_test_hears(rehearsal_catalog, fill):
    config = configuration(rehearsal_catalog, venue={"fill": fill, "half_spread_bps": 3.0})
    heard = chain.from_iterable(part for group in chunks(read_market(config, 0), fill, 3.0) for part in group)
    wanted = {Bar: [], QuoteTick: [], MarkPriceUpdate: [], FundingRateUpdate: []}
    for one in heard:
        name = str(one.bar_type.instrument_id if isinstance(one, Bar) else one.instrument_id)
        values = {
            Bar: lambda one: (one.open, one.high, one.low, one.close, one.volume),
            QuoteTick: lambda one: (one.bid_price, one.ask_price),
            MarkPriceUpdate: lambda one: (one.value,),
            FundingRateUpdate: lambda one: (one.rate,),
        }[type(one)](one)
        wanted[type(one)].append((name, one.ts_event, *(Decimal(str(value)) for value in values)))
    found = {Bar: [], QuoteTick: [], MarkPriceUpdate: [], FundingRateUpdate: []}
    for event in read_tape(config).events():
        name = PERPETUAL if event.market == "usdm" else "BTCUSDT.BINANCE"
        match event:
            case Candle(closed=True):
                found[Bar].append((name, event.ts_ns, event.open, event.high, event.low, event.close, event.volume))
            case Quote():
                found[QuoteTick].append((name, event.ts_ns, event.bid, event.ask))
            case MarkPrice():
                found[MarkPriceUpdate].append((name, event.ts_ns, event.price))
            case FundingRate():
                found[FundingRateUpdate].append((name, event.ts_ns, event.rate))
            case _:
                pass
    assert {kind: len(rows) for kind, rows in found.items()} == {
        Bar: 144,
        QuoteTick: 144,
        MarkPriceUpdate: 144,
        FundingRateUpdate: 9,
    }
    for kind, rows in wanted.items():
        assert sorted(found[kind]) == sorted(rows), kind


def test_bar_closes_before_the_next_quote_and_the_next_bar_opens_between(rehearsal_catalog):
    config = configuration(rehearsal_catalog, universe={"instruments": [PERPETUAL]})
    events = list(read_tape(config).events())
    first = config.span_ns[0] + HOUR_NS
    around = [
        (type(e).__name__, getattr(e, "closed", None), e.ts_ns - first) for e in events if abs(e.ts_ns - first) <= 1
    ]
    assert around == [
        ("MarkPrice", None, -1),
        ("Print", None, -1),
        ("Candle", True, 0),
        ("Candle", False, 1),
        ("Quote", None, 1),
    ]
    assert all(a.ts_ns <= b.ts_ns for a, b in pairwise(events))


def test_path_through_a_bar_visits_its_extremes_and_grows_its_candle(rehearsal_catalog):
    config = configuration(
        rehearsal_catalog,
        universe={"instruments": [PERPETUAL]},
        rehearsal={"path": "ohlc"},
        venue={"half_spread_bps": 0.0},
    )
    events = list(read_tape(config).events())
    whole = next(e for e in events if isinstance(e, Candle) and e.closed)
    quotes = [e.bid for e in events if isinstance(e, Quote)][:4]
    assert quotes[0] == whole.open
    assert {whole.high, whole.low} == set(quotes[1:3])
    assert quotes[3] == whole.close
    grown = [e for e in events if isinstance(e, Candle) and e.open_ns == whole.open_ns][-2]
    assert (grown.high, grown.low, grown.close, grown.closed) == (whole.high, whole.low, whole.close, False)


def test_exchange_knows_no_bar_before_it_closes(rehearsal_catalog):
    exchange = Exchange.from_config(configuration(rehearsal_catalog))
    start = exchange.tape.start_ns
    before = exchange.candles("spot", "BTCUSDT", None, None, 500)
    assert [len(before), before[-1].ts_ns] == [48, start]
    while exchange.next_ns is not None and exchange.next_ns < start + HOUR_NS:
        exchange.play()
        rows = exchange.candles("spot", "BTCUSDT", None, None, 500)
        assert [row.closed for row in rows] == [True] * 48 + [False] * (len(rows) - 48)
        assert rows[-1].volume == 0 or rows[-1].closed


def test_history_is_paged_from_its_start(rehearsal_catalog):
    exchange = Exchange.from_config(configuration(rehearsal_catalog))
    first = exchange.reels["spot", "BTCUSDT"].bars.ts_open
    rows = exchange.candles("spot", "BTCUSDT", int(first[10]), None, 3)
    assert [row.open_ns for row in rows] == [int(ns) for ns in first[10:13]]
    rows = exchange.candles("spot", "BTCUSDT", int(first[10]), int(first[11]), 30)
    assert [row.open_ns for row in rows] == [int(ns) for ns in first[10:12]]


def test_restored_exchange_stands_where_the_old_one_did(rehearsal_catalog):
    config = configuration(rehearsal_catalog)
    old, new = Exchange.from_config(config), Exchange.from_config(config)
    for _ in range(77):
        old.play()
    new.restore(old.state())
    assert (new.position, new.now_ns, new.next_event) == (77, old.now_ns, old.next_event)
    assert new.candles("usdm", "BTCUSDT", None, None, 500) == old.candles("usdm", "BTCUSDT", None, None, 500)


def test_trades_of_others_carry_the_volume_of_the_bar(rehearsal_catalog):
    events = list(read_tape(configuration(rehearsal_catalog)).events())
    bars = [e.volume for e in events if isinstance(e, Candle) and e.closed]
    assert [e.size for e in events if isinstance(e, Print)] == bars


def test_day_is_what_the_last_24_hours_of_bars_say(rehearsal_catalog):
    exchange = Exchange.from_config(configuration(rehearsal_catalog))
    for _ in range(45):
        exchange.play()
    rows = exchange.candles("usdm", "BTCUSDT", None, None, 25)
    assert [row.closed for row in rows] == [True] * 24 + [False]
    day = exchange.day("usdm", "BTCUSDT")
    assert (day["open"], day["close"]) == (rows[0].open, rows[-1].close)
    assert (day["high"], day["low"]) == (max(row.high for row in rows), min(row.low for row in rows))
    assert abs(day["volume"] - sum((row.volume for row in rows), Decimal(0))) < Decimal("1e-6")
