"""What the native client says, in this product's terms."""

import pytest
from nautilus_trader.model import Bar, BarType, InstrumentId, Price, Quantity, QuoteTick

from live.native.boundary import bar_at_close, quote_at

HOUR_NS = 3_600_000_000_000
MS = 1_000_000


def bar(ts_event: int) -> Bar:
    price, kind = Price.from_str("100.00"), BarType.from_str("BTCUSDT.BINANCE-1-HOUR-LAST-EXTERNAL")
    return Bar(kind, price, price, price, price, Quantity.from_str("2.5000"), ts_event, 7)


@pytest.mark.parametrize("said", [10 * HOUR_NS - MS, 10 * HOUR_NS - 1, 10 * HOUR_NS])
def test_bar_stamped_before_its_close_is_stamped_with_its_close(said: int) -> None:
    moved = bar_at_close(bar(said), HOUR_NS)
    assert (moved.ts_event, moved.ts_init, str(moved.close), str(moved.volume)) == (10 * HOUR_NS, 7, "100.00", "2.5000")


def test_quote_keeps_its_prices_and_arrival_under_another_time() -> None:
    sides = (Price.from_str("99.99"), Price.from_str("100.01"), Quantity.from_str("1.0"), Quantity.from_str("2.0"))
    moved = quote_at(QuoteTick(InstrumentId.from_str("BTCUSDT.BINANCE"), *sides, 5, 7), 11)
    assert (moved.bid_price, moved.ask_price, moved.bid_size, moved.ask_size) == sides
    assert (moved.ts_event, moved.ts_init) == (11, 7)
