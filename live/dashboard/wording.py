"""Numbers and times as text for a screen: short, aligned, with a sign where it matters; what is not known is a dash."""

import math
from datetime import UTC, datetime

UNKNOWN = "–"
_SPANS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def known(value: float | None) -> bool:
    """Tell whether there is a number."""
    return value is not None and math.isfinite(value)


def money(value: float | None, signed: bool = False) -> str:
    """Write an amount with thousands; cents up to a million.

    >>> money(1234.5), money(-0.004), money(12.5, signed=True), money(2_500_000.4)
    ('1,234.50', '0.00', '+12.50', '2,500,000')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:+,.0f}" if abs(value) >= 1e6 else f"{value:+,.2f}"
    if not any(digit in text for digit in "123456789"):
        return text[1:]
    return text if signed else text.removeprefix("+")


def percent(value: float | None, signed: bool = False, digits: int = 2) -> str:
    """Write a fraction as a percentage.

    >>> percent(0.01234), percent(0.5, signed=True), percent(-0.00001), percent(None)
    ('1.23%', '+50.00%', '0.00%', '–')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{100.0 * value:+,.{digits}f}%"
    if not any(digit in text for digit in "123456789"):
        return text[1:]
    return text if signed else text.removeprefix("+")


def plain(value: float | None, digits: int = 5) -> str:
    """Write a quantity, a price or a ratio with significant digits and thousands.

    >>> plain(43_210.5, 7), plain(0.00012345678), plain(-1500), plain(2.0)
    ('43,210.5', '0.00012346', '-1,500', '2')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value == 0.0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_UNITS = {"basis points": "bps", "seconds": "s", "correlation": "", "probability": "", "count": "", "quote": ""}


def measured(value: float | None, unit: str) -> str:
    """Write what a control measures, with its unit.

    >>> measured(0.15, "fraction"), measured(30.0, "seconds"), measured(0.7, "correlation"), measured(None, "bars")
    ('15.00%', '30 s', '0.7', '–')
    """
    if unit.startswith("fraction"):
        return percent(value)
    text = plain(value)
    return text if text == UNKNOWN else f"{text} {_UNITS.get(unit, unit)}".rstrip()


def count(value: int) -> str:
    """Write a count with thousands."""
    return f"{value:,}"


def moment(ts_ns: int | None, seconds: bool = False) -> str:
    """Write a time, UTC.

    >>> moment(1_700_000_000_000_000_000), moment(0)
    ('2023-11-14 22:13', '–')
    """
    if not ts_ns or ts_ns < 0:
        return UNKNOWN
    return datetime.fromtimestamp(ts_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def age(seconds: float | None) -> str:
    """Write how long ago something was.

    >>> age(0.4), age(59.0), age(5_000.0), age(None)
    ('0.4 s', '59 s', '1.4 h', '–')
    """
    if seconds is None or not math.isfinite(seconds):
        return UNKNOWN
    for length, unit in _SPANS:
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds < 10.0 else f"{seconds:.0f} s"


def milliseconds(value: float | None) -> str:
    """Write a duration, milliseconds.

    >>> milliseconds(0.123), milliseconds(12.3), milliseconds(4_500.0)
    ('0.12 ms', '12 ms', '4.5 s')
    """
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value >= 1_000.0:
        return f"{value / 1_000.0:.1f} s"
    return f"{value:.0f} ms" if value >= 10.0 else f"{value:.2f} ms"


def words(name: str) -> str:
    """Write a key as words.

    >>> words("max_position_frac"), words("daily_loss")
    ('Max position', 'Daily loss')
    """
    return name.removesuffix("_frac").replace("_", " ").capitalize()


def direction(value: float | None) -> str:
    """Name a number's sign for its colour: `up`, `down`, or nothing."""
    if value is None or not math.isfinite(value) or value == 0.0:
        return ""
    return "up" if value > 0 else "down"
