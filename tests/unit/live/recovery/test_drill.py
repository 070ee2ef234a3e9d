"""What a drill kills at, and how it tells two sessions apart."""

from engine.journal.journal import Entry
from live.recovery.drill import sampled
from live.recovery.outcome import Left, differences

STEPS = ["before a", "after a", "before b", "after b"] * 10 + ["rare"]


def test_sample_takes_every_kind_of_step_before_any_twice():
    chosen = sampled(STEPS, 5, 1)
    assert {kills[0][0] for kills in chosen} == set(STEPS)


def test_sample_is_the_seeds_and_never_the_same_step_twice():
    chosen = sampled(STEPS, 30, 4)
    assert chosen == sampled(STEPS, 30, 4) != sampled(STEPS, 30, 5)
    assert len({kills[0] for kills in chosen}) == 30
    assert any(len(kills) == 2 for kills in chosen)


def test_sample_of_more_points_than_steps_takes_all():
    assert sorted(kills[0] for kills in sampled(["one", "two", "one"], 9, 1)) == [("one", 1), ("one", 2), ("two", 1)]


def left(**changes):
    decided = Entry(1, "A.X", 1, "p", "", "", "{}", 0.0, 0.0, 1.0, 0.1, 1000.0, '{"max": 0.5}', "approved", "1:A.X", "")
    order = {
        "order_id": 1, "actual_order_id": 0, "client_order_id": "H-1", "symbol": "A", "side": "BUY", "kind": "MARKET",
        "wire_type": "MARKET", "quantity": "1", "price": None, "stop_price": None, "status": "FILLED", "filled": "1",
    }  # fmt: skip
    told = {"orders": [order], "trades": [], "balances": {"USDT": {"wallet": "5"}}, "positions": {}}
    return Left(
        **{"journal": [decided], "orders": [], "fills": [], "positions": {}, "changes": [], "told": told} | changes
    )


def test_equal_sessions_do_not_differ_and_last_digits_do_not_count():
    (entry,) = left().journal
    assert differences(left(), left()) == []
    assert differences(left(), left(journal=[entry._replace(budget=1000.0 * (1 + 1e-12))])) == []


def test_second_order_of_one_intent_is_named_first():
    told = left().told
    twice = {**told, "orders": [*told["orders"], {**told["orders"][0], "order_id": 2}]}
    assert differences(left(), left(told=twice))[0] == "two orders of one intent: H-1"


def test_order_that_a_stop_became_is_no_second_order():
    told = left().told
    stop = {**told["orders"][0], "actual_order_id": 2}
    became = {**told["orders"][0], "order_id": 2}
    both = left(told={**told, "orders": [stop, became]})
    assert differences(both, both) == []


def test_difference_says_where_and_both_values():
    (entry,) = left().journal
    (found,) = differences(left(), left(journal=[entry._replace(budget=900.0)]))
    assert found == "decision 1:A.X: budget was 1000.0, became 900.0"
    told = {**left().told, "balances": {"USDT": {"wallet": "6"}}}
    (found,) = differences(left(), left(told=told))
    assert found == "balances at the venue USDT: wallet was '5', became '6'"
    assert differences(left(), left(journal=[])) == ["decision 1:A.X: missing after the kill"]
