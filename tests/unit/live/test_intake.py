"""What is heard of what is received."""

from decimal import Decimal
from typing import Any

from nautilus_trader.model import (
    Bar,
    BarType,
    FundingRateUpdate,
    InstrumentId,
    MarkPriceUpdate,
    Price,
    Quantity,
    QuoteTick,
)

from live.intake import Intake

HOUR = 3_600_000_000_000
A, B = "BTCUSDT-PERP.BINANCE", "ETHUSDT-PERP.BINANCE"


def bar(hour: int, name: str = A, close: str = "101.0") -> Bar:
    kind = BarType.from_str(f"{name}-1-HOUR-LAST-EXTERNAL")
    opened, high, low, last = map(Price.from_str, ("100.0", "102.0", "99.0", close))
    return Bar(kind, opened, high, low, last, Quantity.from_str("5.0"), hour * HOUR, hour * HOUR + 7)


def quote(ts_event: int, name: str = A) -> QuoteTick:
    bid, ask, size = Price.from_str("100.0"), Price.from_str("100.2"), Quantity.from_str("1.0")
    return QuoteTick(InstrumentId.from_str(name), bid, ask, size, size, ts_event, ts_event)


def rate(ts_event: int, due: int | None, value: str = "0.0001", name: str = A) -> FundingRateUpdate:
    return FundingRateUpdate(InstrumentId.from_str(name), Decimal(value), ts_event, ts_event, next_funding_ns=due)


def told(heard: list[Any]) -> list[tuple[str, int]]:
    return [(type(item).__name__, item.ts_event) for item in heard]


def test_bar_brings_its_close_as_the_mark_a_nanosecond_before() -> None:
    heard = Intake().take(bar(1))
    assert told(heard) == [("MarkPriceUpdate", HOUR - 1), ("Bar", HOUR)]
    assert str(heard[0].value) == "101.0"


def test_mark_of_the_exchange_is_not_heard() -> None:
    mark = MarkPriceUpdate(InstrumentId.from_str(A), Price.from_str("99.0"), HOUR, HOUR)
    assert Intake().take(mark) == []


def test_bar_that_was_heard_is_dropped_and_counted() -> None:
    intake = Intake()
    intake.take(bar(2))
    assert (intake.take(bar(2)), intake.take(bar(1)), intake.dropped) == ([], [], 2)
    assert len(intake.take(bar(2, B))) == 2


def test_quote_stamped_at_or_before_the_last_close_is_a_nanosecond_after_it() -> None:
    intake = Intake()
    intake.take(bar(1))
    assert told(intake.take(quote(HOUR))) == [("QuoteTick", HOUR + 1)]
    assert told(intake.take(quote(HOUR - 5_000_000))) == [("QuoteTick", HOUR + 1)]
    assert told(intake.take(quote(HOUR + 3_000_000))) == [("QuoteTick", HOUR + 3_000_000)]


def test_announced_rate_is_heard_once_with_the_bar_that_closes_at_its_time_behind_the_mark() -> None:
    intake = Intake()
    assert intake.take(rate(HOUR // 2, 2 * HOUR)) == []
    assert told(intake.take(bar(1))) == [("MarkPriceUpdate", HOUR - 1), ("Bar", HOUR)]
    assert told(intake.take(bar(2))) == [
        ("MarkPriceUpdate", 2 * HOUR - 1),
        ("FundingRateUpdate", 2 * HOUR - 1),
        ("Bar", 2 * HOUR),
    ]
    assert told(intake.take(bar(3))) == [("MarkPriceUpdate", 3 * HOUR - 1), ("Bar", 3 * HOUR)]


def test_later_announcement_of_the_same_time_counts() -> None:
    intake = Intake()
    intake.take(rate(1, HOUR, "0.0001"))
    intake.take(rate(2, HOUR, "0.0003"))
    assert str(intake.take(bar(1))[1].rate) == "0.0003"


def test_rate_inside_a_bar_is_heard_before_that_bars_mark() -> None:
    intake = Intake()
    intake.take(rate(1, HOUR + HOUR // 2))
    assert [name for name, _ in told(intake.take(bar(2)))] == ["FundingRateUpdate", "MarkPriceUpdate", "Bar"]


def test_rate_of_another_instrument_waits_for_its_own_mark() -> None:
    intake = Intake()
    intake.take(rate(1, HOUR, name=B))
    assert [name for name, _ in told(intake.take(bar(1)))] == ["MarkPriceUpdate", "Bar"]
    assert [name for name, _ in told(intake.take(bar(1, B)))] == ["MarkPriceUpdate", "FundingRateUpdate", "Bar"]


def test_rate_whose_bar_is_missing_is_heard_before_whatever_is_later() -> None:
    intake = Intake()
    intake.take(rate(1, HOUR, name=B))
    intake.take(bar(1))
    assert told(intake.take(bar(2)))[0] == ("FundingRateUpdate", HOUR - 1)


def test_rate_without_a_time_or_of_the_past_is_not_heard() -> None:
    intake = Intake()
    intake.take(bar(3))
    intake.take(rate(4, None))
    intake.take(rate(4, 2 * HOUR))
    assert [name for name, _ in told(intake.take(bar(4)))] == ["MarkPriceUpdate", "Bar"]
