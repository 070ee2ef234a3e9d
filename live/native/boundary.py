"""What the native client says differently, brought to what this product means, before anything is written down.

- A bar's event time is the millisecond before its close, as the exchange writes it; here it is the close.
- A quote of the spot market has no time of the exchange; it gets the exchange's time as far as it is known.
"""

from nautilus_trader.model import Bar, QuoteTick

MS = 1_000_000


def bar_at_close(bar: Bar, length_ns: int) -> Bar:
    """Return a bar with the close of its interval as event time.

    Parameters
    ----------
    length_ns
        Length of the bar; closes are whole multiples of it.
    """
    close_ns = -(-bar.ts_event // length_ns) * length_ns
    if close_ns == bar.ts_event:
        return bar
    values = (bar.open, bar.high, bar.low, bar.close, bar.volume)
    return Bar(bar.bar_type, *values, close_ns, bar.ts_init)


def quote_at(quote: QuoteTick, now_ns: int) -> QuoteTick:
    """Return a quote with another event time, UTC ns."""
    sides = (quote.bid_price, quote.ask_price, quote.bid_size, quote.ask_size)
    return QuoteTick(quote.instrument_id, *sides, now_ns, quote.ts_init)
