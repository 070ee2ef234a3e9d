"""A catalog of real quotes and trades is replayed as it was recorded, and orders meet its sizes."""

from decimal import Decimal
from itertools import pairwise

import pytest

from catalogs.importing import import_file
from engine.contract.config import parse
from live.rehearsal.exchange import Exchange
from live.rehearsal.matching import Best
from live.rehearsal.tape import Candle, Print, Quote
from tests.unit.live.rehearsal.venues import ask_for

PERPETUAL = "BTCUSDT-PERP.BINANCE"
MINUTE_NS = 60_000_000_000


@pytest.fixture(scope="module")
def exchange(shared_data, tmp_path_factory) -> Exchange:
    catalog = tmp_path_factory.mktemp("ticks")
    for kind in ("quotes", "trades"):
        import_file(catalog, shared_data / f"BINANCE.BTCUSDT-PERP.20240718.{kind}.parquet", PERPETUAL, kind=kind)
    document = {
        "data": {"catalog": str(catalog)},
        "universe": {"instruments": [PERPETUAL], "bar": "1-MINUTE"},
        "venue": {"funding": False, "balance": "100000000 USDT"},
        "strategy": {"name": "cash"},
        "rehearsal": {"quotes": "catalog"},
    }
    return Exchange.from_config(parse(document))


@pytest.mark.slow
def test_real_ticks_are_played_in_order_with_bars_made_of_trades(exchange):
    played = []
    while (event := exchange.play()) is not None:
        played.append(event)
    kinds = {kind: sum(isinstance(event, kind) for event in played) for kind in (Quote, Print)}
    assert kinds == {Quote: 52_260, Print: 10_701}
    assert all(a.ts_ns <= b.ts_ns for a, b in pairwise(played))
    bars = [event for event in played if isinstance(event, Candle) and event.closed]
    for bar in bars:
        inside = [t for t in played if isinstance(t, Print) and bar.open_ns <= t.ts_ns < bar.open_ns + MINUTE_NS]
        assert (bar.open, bar.close) == (inside[0].price, inside[-1].price)
        assert (bar.high, bar.low) == (max(t.price for t in inside), min(t.price for t in inside))
        assert abs(bar.volume - sum((t.size for t in inside), Decimal(0))) < Decimal("1e-7")
    venue = exchange.venues["usdm"]
    best = venue.best["BTCUSDT"]
    assert isinstance(best, Best)
    assert best.ask_size is not None
    order = venue.place(ask_for(quantity=str(best.ask_size + venue.terms["BTCUSDT"].lot)), exchange.now_ns)
    assert [trade.price - best.ask for trade in venue.trades] == [0, venue.terms["BTCUSDT"].tick]
    assert order.status == "FILLED"
