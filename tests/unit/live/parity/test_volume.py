"""A bar's volume is the same number in a back test and from an exchange: policies see it."""

from dataclasses import replace

import numpy as np
from nautilus_trader.model import Bar

from catalogs.altering import write_copy
from catalogs.arrays import Bars, Funding, read_bars
from engine.contract.instrument import InstrumentSpec
from live.adapter.mapping import volume
from strategies.feed import InstrumentMarket, Market, chunks
from tests.parity.market import HOUR_NS, START_NS

TOLD = [32570455.0, 1538196260.0, 447599616.7, 12.34567891]


def test_volume_of_a_back_tests_bar_is_that_of_the_exchange_that_told_it(tmp_path) -> None:
    spec = InstrumentSpec("DOGEUSDT.BINANCE", "spot", "DOGE", "USDT", 5, 0)
    ts = START_NS + np.arange(len(TOLD), dtype=np.int64) * HOUR_NS
    price = np.full(len(TOLD), 0.1)
    made = Bars(spec, "1-HOUR", ts, ts + HOUR_NS, price, price, price, price, np.array(TOLD))
    none = Funding(np.zeros(0, np.int64), np.zeros(0))
    write_copy(tmp_path, [(made, none)])
    held = read_bars(tmp_path, "DOGEUSDT.BINANCE", "1-HOUR")
    assert held.volume.tolist() != TOLD
    market = Market((InstrumentMarket(replace(held), none),), START_NS, (START_NS, int(ts[-1]) + HOUR_NS))
    bars = [
        item for lists in chunks(market, "next_open", 1.0) for one in lists for item in one if isinstance(item, Bar)
    ]
    assert [bar.volume for bar in bars] == [volume(value) for value in TOLD]
    assert [float(bar.volume) for bar in bars] == held.volume.tolist()
