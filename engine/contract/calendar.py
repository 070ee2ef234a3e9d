"""Bar lengths and the calendar of a market: one place for durations and annualisation."""

import datetime as dt

from engine.contract.errors import ConfigError, broken

NS_PER_SEC = 1_000_000_000
DAYS_PER_YEAR = 365.0
SECS_PER_UNIT = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}


def bar_ns(bar: str) -> int:
    """Length of a bar in nanoseconds.

    >>> bar_ns("1-HOUR")
    3600000000000
    """
    step, _, unit = bar.partition("-")
    if not step.isdecimal() or int(step) < 1 or unit not in SECS_PER_UNIT:
        raise ConfigError(
            broken("bar", "be a count and SECOND, MINUTE, HOUR or DAY", bar, "universe.bar", 'write "1-HOUR"')
        )
    return int(step) * SECS_PER_UNIT[unit] * NS_PER_SEC


def bars_per_year(bar: str) -> float:
    """Bars in a year of a market that never closes (365 days).

    >>> bars_per_year("1-HOUR")
    8760.0
    """
    return DAYS_PER_YEAR * 86_400 * NS_PER_SEC / bar_ns(bar)


def to_ns(moment: dt.date | dt.datetime) -> int:
    """UTC nanoseconds of a date (its midnight) or a datetime (taken as UTC when it has no zone).

    >>> to_ns(dt.date(1970, 1, 2))
    86400000000000
    """
    if not isinstance(moment, dt.datetime):
        moment = dt.datetime(moment.year, moment.month, moment.day)
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_SEC + since.microseconds * 1_000


def iso(ns: int) -> str:
    """ISO 8601 in UTC, to the second, or to the nanosecond where there is a fraction.

    >>> iso(86_400_000_000_000)
    '1970-01-02T00:00:00Z'
    """
    seconds, rest = divmod(int(ns), NS_PER_SEC)
    text = (dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)).isoformat()
    return f"{text}.{rest:09d}Z" if rest else f"{text}Z"
