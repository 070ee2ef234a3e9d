"""Comparing: the first difference is named by its row, its field and both values, in the order of cause and of time."""

from typing import Any

import pyarrow as pa

from engine.journal.blotter import BreakerChange, Fill, Order
from engine.journal.journal import Entry
from live.parity.comparing import KIND_OF, compare
from live.parity.sides import Side

HOUR_NS = 3_600_000_000_000
NAMES = ("BTCUSDT.BINANCE", "ETHUSDT.BINANCE")


def entry(turn: int, name: str = NAMES[0], **changed: Any) -> Entry:
    context = '{"regime":{"calm":0.5,"wild":0.5},"breaker":{}}'
    row = Entry(
        turn * HOUR_NS, name, turn, "p", "1", "aa", context, 1.0, 1.0, 1.0, 0.5, 100.0, '{"daily":3}', "hold", "", ""
    )
    return row._replace(**changed)


def fill(turn: int, **changed: Any) -> Fill:
    row = Fill(f"{turn}:{NAMES[0]}", turn * HOUR_NS + 1, NAMES[0], 1, 1.0, 100.0, 0.05, 100.0, "next_open")
    return row._replace(**changed)


ROWS = [entry(turn, name) for turn in range(1, 5) for name in NAMES]


def first(left: Side, right: Side) -> dict[str, Any]:
    found = compare(left, right)
    assert not found.passed
    assert found.first is not None
    return found.first


def test_equal_sides_differ_in_nothing_and_say_what_was_compared() -> None:
    table = pa.table({"ts_event": [1, 2], "equity": [1.0, float("nan")]})
    side = Side(ROWS, [fill(1)], [], [], table)
    found = compare(side, side)
    assert (found.passed, found.first, found.differences) == (True, None, {})
    assert found.figures == {"decisions": 8, "fills": 1, "orders": 0, "breaker": 0, "account": 2}
    assert side.hashes == side.hashes


def test_every_column_of_a_decision_has_a_kind() -> None:
    assert set(KIND_OF) == set(Entry._fields)


def test_cause_is_named_before_what_follows_from_it() -> None:
    changed = ROWS[3]._replace(gate="approved", budget=90.0, missing=NAMES[0])
    told = first(Side(ROWS), Side([*ROWS[:3], changed, *ROWS[4:]]))
    assert told == {
        "row": 3,
        "ts_event": "1970-01-01T02:00:00Z",
        "instrument_id": NAMES[1],
        "kind": "turn",
        "field": "missing",
        "was": "",
        "became": NAMES[0],
    }


def test_difference_inside_the_context_is_named_by_its_key() -> None:
    changed = ROWS[0]._replace(context='{"regime":{"calm":0.5,"wild":0.25},"breaker":{}}')
    told = first(Side(ROWS), Side([changed, *ROWS[1:]]))
    assert (told["kind"], told["field"], told["was"], told["became"]) == ("context", "context.regime.wild", 0.5, 0.25)


def test_actor_that_says_nothing_is_named_as_absent() -> None:
    changed = ROWS[0]._replace(context='{"breaker":{}}')
    told = first(Side(ROWS), Side([changed, *ROWS[1:]]))
    assert (told["field"], told["became"]) == ("context.regime", "absent")


def test_missing_decision_is_named_and_those_behind_it_are_not() -> None:
    found = compare(Side(ROWS), Side([*ROWS[:3], *ROWS[4:]]))
    assert found.differences == {"decisions": 1}
    assert found.first is not None
    assert (found.first["row"], found.first["field"], found.first["was"], found.first["became"]) == (
        3,
        "decision",
        "present",
        "absent",
    )


def test_additional_decision_is_named() -> None:
    told = first(Side(ROWS[:7]), Side(ROWS))
    assert (told["row"], told["was"], told["became"]) == (7, "absent", "present")


def test_instruments_in_another_order_are_named_at_their_turn() -> None:
    told = first(Side(ROWS), Side([ROWS[0], ROWS[1], ROWS[3], ROWS[2], *ROWS[4:]]))
    assert (told["row"], told["field"], told["was"], told["became"]) == (2, "place in the turn", *NAMES)


def test_fill_that_differs_comes_before_the_decision_that_follows_from_it() -> None:
    changed = [*ROWS[:2], ROWS[2]._replace(budget=99.0), *ROWS[3:]]
    told = first(Side(ROWS, [fill(1)]), Side(changed, [fill(1, fee=0.06)]))
    assert (told["row"], told["kind"], told["field"], told["was"], told["became"]) == (0, "fill", "fee", 0.05, 0.06)


def test_fill_that_is_missing_is_named() -> None:
    told = first(Side(ROWS, [fill(1), fill(2)]), Side(ROWS, [fill(1)]))
    assert (told["row"], told["field"], told["was"], told["became"]) == (1, "fill", "present", "absent")


def test_orders_are_compared_without_the_names_that_a_run_gave_them() -> None:
    order = Order("1:A", "H-one-1", HOUR_NS, HOUR_NS + 1, NAMES[0], 1.0, 100.0, "filled")
    named = order._replace(client_order_id="H-two-1")
    assert compare(Side(ROWS, orders=[order]), Side(ROWS, orders=[named])).passed
    assert Side(ROWS, orders=[order]).hashes == Side(ROWS, orders=[named]).hashes
    told = first(Side(ROWS, orders=[order]), Side(ROWS, orders=[named._replace(status="denied: cash")]))
    assert (told["kind"], told["field"]) == ("order", "status")


def test_trip_of_the_breaker_that_differs_is_named() -> None:
    trip = BreakerChange(HOUR_NS, "tripped", "drawdown", 0.1, 0.11, "account", "halt", HOUR_NS, "", "")
    told = first(Side(ROWS, changes=[trip]), Side(ROWS, changes=[trip._replace(value=0.12)]))
    assert (told["kind"], told["field"], told["was"], told["became"]) == ("breaker", "value", 0.11, 0.12)


def test_equity_that_differs_in_its_last_bit_is_named() -> None:
    tables = [pa.table({"ts_event": [HOUR_NS], "equity": [value]}) for value in (1.0, 1.0 + 2**-52)]
    told = first(Side(ROWS, equity=tables[0]), Side(ROWS, equity=tables[1]))
    assert (told["kind"], told["field"]) == ("account", "equity")
    assert told["became"] - told["was"] == 2**-52


def test_inference_that_differs_precedes_everything_and_what_one_side_does_not_tell_is_left_out() -> None:
    one, other = {"intra_op_threads": 1, "library": "x 1"}, {"intra_op_threads": 4}
    told = first(Side(ROWS, inference=one), Side([ROWS[0]._replace(budget=1.0), *ROWS[1:]], inference=other))
    assert (told["row"], told["kind"], told["field"], told["was"], told["became"]) == (
        0,
        "inference",
        "intra_op_threads",
        1,
        4,
    )
