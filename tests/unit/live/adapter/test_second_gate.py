import pytest

from engine.contract.config import Limits
from engine.risk.breaker import Breaker
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.breaker_values import Reading
from engine.risk.gate import Approved, Intent, Refusal
from live.adapter.core.second_gate import Holding, SecondGate

NAME, OTHER = "BTCUSDT.BINANCE", "ETHUSDT.BINANCE"
HOUR = 3_600_000_000_000
NOW = 500_000 * HOUR
LIMITS = Limits(max_position_frac=0.5, max_gross_frac=0.8)


def gate(breaker: Breaker | None = None) -> SecondGate:
    made = SecondGate([NAME, OTHER], LIMITS, breaker, HOUR)
    made.hear_price(NAME, 100.0)
    made.hear_price(OTHER, 10.0)
    made.hear_equity(NOW, 1_000.0)
    return made


def breaker(**settings) -> Breaker:
    made = Breaker([NAME, OTHER], BreakerSettings(**settings).resolved(LIMITS), HOUR)
    made.hear(Reading(NOW, 1_000.0, (0.0, 0.0), (0.0, 0.0), (100.0, 10.0), (NOW, NOW)))
    return made


def test_order_at_the_limit_passes_and_one_over_it_does_not():
    assert isinstance(gate().ask(NOW, Intent(NAME, 5.0, 100.0, "a"), {}), Approved)
    answer = gate().ask(NOW, Intent(NAME, 5.1, 100.0, "a"), {})
    assert isinstance(answer, Refusal)
    assert answer.limit == "max_position_frac"


def test_open_orders_and_other_instruments_take_of_the_room():
    holdings = {NAME: Holding(open_buys=3.0), OTHER: Holding(position=-40.0)}
    answer = gate().ask(NOW, Intent(NAME, 2.0, 100.0, "a"), holdings)
    assert isinstance(answer, Refusal)
    assert (answer.limit, answer.value) == ("max_gross_frac", pytest.approx(0.9))


def test_order_that_only_reduces_passes_without_price_or_equity():
    bare = SecondGate([NAME], LIMITS, breaker(), HOUR)
    assert isinstance(
        bare.ask(NOW + 9 * HOUR, Intent(NAME, -1.0, float("nan"), "a"), {NAME: Holding(position=2.0)}), Approved
    )


def test_order_without_a_price_is_refused():
    bare = SecondGate([NAME], LIMITS, None, HOUR)
    bare.hear_equity(NOW, 1_000.0)
    answer = bare.ask(NOW, Intent(NAME, 1.0, bare.price(NAME), "a"), {})
    assert isinstance(answer, Refusal)
    assert answer.limit == "price"


def test_client_order_id_leaves_once():
    made = gate()
    assert isinstance(made.ask(NOW, Intent(NAME, 1.0, 100.0, "a"), {}), Approved)
    answer = made.ask(NOW + 1, Intent(NAME, 1.0, 100.0, "a"), {})
    assert isinstance(answer, Refusal)
    assert answer.limit == "duplicate_order"


def test_burst_over_the_rate_is_refused_by_its_own_count():
    made = gate(breaker(orders_per_second=2.0))
    answers = [made.ask(NOW, Intent(NAME, 0.1, 100.0, f"{k}"), {}) for k in range(3)]
    assert [type(answer) for answer in answers] == [Approved, Approved, Refusal]
    assert answers[2].limit == "orders_per_second"


def test_price_far_from_the_last_one_is_refused():
    answer = gate(breaker(price_collar=0.05)).ask(NOW, Intent(NAME, 1.0, 106.0, "a"), {})
    assert isinstance(answer, Refusal)
    assert answer.limit == "price_collar"


def test_trip_of_the_breaker_holds_here_too():
    tripped = breaker()
    tripped.stop(NOW, "person", "drill")
    answer = gate(tripped).ask(NOW, Intent(NAME, 1.0, 100.0, "a"), {})
    assert isinstance(answer, Refusal)
    assert "halt account" in answer.note


def test_silent_breaker_lets_no_new_risk_through():
    answer = gate(breaker()).ask(NOW + 3 * HOUR, Intent(NAME, 1.0, 100.0, "a"), {})
    assert isinstance(answer, Refusal)
    assert answer.limit == "heartbeat"


def test_loss_of_the_day_is_measured_from_midnight_utc():
    limits = Limits(max_position_frac=0.5, max_gross_frac=0.8, daily_loss_frac=0.02)
    made = SecondGate([NAME], limits, None, HOUR)
    made.hear_price(NAME, 100.0)
    midnight = NOW - NOW % (24 * HOUR)
    made.hear_equity(midnight, 1_000.0)
    made.hear_equity(midnight + HOUR, 979.0)
    answer = made.ask(midnight + HOUR, Intent(NAME, 1.0, 100.0, "a"), {})
    assert isinstance(answer, Refusal)
    assert answer.limit == "daily_loss_frac"
    made.hear_equity(midnight + 24 * HOUR, 979.0)
    assert isinstance(made.ask(midnight + 24 * HOUR, Intent(NAME, 1.0, 100.0, "b"), {}), Approved)
