"""An order or a refusal is told in a few lines: what was seen, answered and wanted, what gate and breaker said, what became of it."""

import numpy as np
import pytest

from engine.contract.errors import UsageError
from engine.journal.blotter import Blotter, BreakerChange, Fill, Order
from engine.journal.explain import describe, explain, in_force
from engine.journal.journal import Entry, Journal
from engine.journal.run import JOURNAL, MANIFEST, STORE, write_json
from engine.journal.store import Store
from engine.risk.breaker_values import Change, Trip

HOUR = 3_600 * 10**9
T0 = 1_655_092_800 * 10**9
ENTRY = Entry(
    T0,
    "A.X",
    7,
    "trend",
    "1",
    "ab12",
    '{"regime":{"p_calm":0.25,"age":null},"breaker":{"state":3.0,"drawdown":0.16}}',
    3.0,
    1.0,
    0.75,
    0.25,
    10_000.0,
    '{"max_position_frac":0.05}',
    "refused: drawdown 0.16 over 0.15 (halt account)",
    "",
    "B.X",
)
TRIP = Trip("drawdown", 0.15, 0.16, "account", T0 - HOUR, "halt")
CHANGE = BreakerChange(T0 - HOUR, "tripped", "drawdown", 0.15, 0.16, "account", "halt", T0 - HOUR, "", "")


def test_refusal_is_told_line_by_line():
    assert describe(ENTRY, kind="discrete7", changes=[CHANGE]) == [
        "2022-06-13T04:00:00Z  A.X  turn 7, decided by trend@1",
        "  saw observation ab12",
        "  regime said: p_calm 0.25, age nan",
        "  bars missing at this time: B.X",
        "  answered BUY_SMALL (1), made of BUY_LARGE (3), confidence 0.750",
        "  wants an exposure of +0.2500 of a budget of 10,000.00",
        "  gate: refused: drawdown 0.16 over 0.15 (halt account): "
        "loss from the peak of equity, unrealised included, at or over the limit",
        "  breaker: halt (drawdown 0.16)",
        "  drawdown 0.16 against 0.15: halt account, tripped at 2022-06-13T03:00:00Z",
        "  left of the limits before: max_position_frac 0.05",
    ]


@pytest.mark.parametrize(
    ("gate", "line"),
    [
        ("approved", "  gate: approved, within every limit"),
        ("hold", "  gate: hold: nothing to trade"),
        ("refused: min_notional 3 under 5", "  gate: refused: min_notional 3 under 5"),
    ],
)
def test_word_of_the_gate_is_explained_where_there_is_something_to_explain(gate, line):
    assert line in describe(ENTRY._replace(gate=gate))


def test_continuous_answer_and_empty_context_are_told_as_they_are():
    entry = ENTRY._replace(context="{}", raw_action=0.4, action=0.4, headroom="{}", version="", observation_sha="")
    lines = describe(entry._replace(missing=""), kind="continuous")
    assert lines[0].endswith("decided by trend")
    assert lines[1:] == [
        "  answered 0.4, confidence 0.750",
        "  wants an exposure of +0.2500 of a budget of 10,000.00",
        "  gate: refused: drawdown 0.16 over 0.15 (halt account): "
        "loss from the peak of equity, unrealised included, at or over the limit",
    ]


def test_only_trips_that_stand_at_the_time_and_cover_the_instrument_are_in_force():
    released = CHANGE._replace(ts_event=T0, kind="released")
    other = CHANGE._replace(control="spread", scope="B.X", action="reduce")
    stopped = CHANGE._replace(control="manual", by="ada", reason="news")
    later = CHANGE._replace(ts_event=T0 + 1)
    assert in_force([CHANGE, other, stopped, released, later], T0, "A.X") == [stopped]
    assert in_force([CHANGE, other], T0, "B.X") == [CHANGE, other]
    assert any(line.endswith("stopped by ada: news") for line in describe(ENTRY, changes=[stopped]))


def run_folder(folder):
    journal, blotter = Journal(), Blotter(["A.X"])
    journal.append(ENTRY)
    journal.append(ENTRY._replace(seq=8, gate="approved", order_key="8:A.X"))
    blotter.order(Order("8:A.X", "O-1", T0, T0 + 1, "A.X", -2.0, 50.0, "filled"))
    blotter.order(Order("stray1:A.X", "O-2", T0, -1, "A.X", 3.0, 50.0, "refused: max_position_frac 2 over 1"))
    blotter.fills.append(Fill("8:A.X", T0 + HOUR, "A.X", -1, 2.0, 49.5, 0.05, 49.6, "next_open"))
    blotter.change(Change("tripped", TRIP, T0 - HOUR))
    blotter.equity(T0, 1.0, 1.0, 0.0, *[np.zeros(1)] * 4)
    journal.write(folder / JOURNAL)
    blotter.write(folder)
    write_json(folder / MANIFEST, {"action": "discrete7"})
    return folder


@pytest.mark.parametrize("name", ["8:A.X", "O-1", "8"])
def test_order_is_found_by_its_key_by_the_venues_id_and_by_its_turn(tmp_path, name):
    (found,) = explain(run_folder(tmp_path), name)
    assert found.lines[-2:] == [
        "  order 8:A.X (O-1): sell 2 sized at 50: filled",
        "  filled 2 at 49.5 on 2022-06-13T05:00:00Z (mid 49.6, fee 0.0500, next_open)",
    ]
    assert "  drawdown 0.16 against 0.15: halt account, tripped at 2022-06-13T03:00:00Z" in found.lines
    document = found.document()
    assert (document["decision"]["seq"], document["order"]["client_order_id"]) == (8, "O-1")
    assert len(document["fills"]) == 1


def test_refusal_is_found_although_it_made_no_order(tmp_path):
    (found,) = explain(run_folder(tmp_path), "7:A.X")
    assert (found.order, found.fills) == (None, [])


def test_order_that_no_decision_made_is_told_too(tmp_path):
    (found,) = explain(run_folder(tmp_path), "stray1:A.X")
    assert found.entry is None
    assert found.lines[0].endswith("an order that no decision of the journal made")
    assert found.lines[1].startswith("  gate: refused: max_position_frac 2 over 1: position with open orders")


def test_unknown_order_is_an_error_that_names_known_ones(tmp_path):
    with pytest.raises(UsageError, match=r"its first: 8:A.X, stray1:A.X\), was 99"):
        explain(run_folder(tmp_path), "99")


def test_session_that_was_killed_is_explained_from_its_store(tmp_path):
    with Store(tmp_path / STORE) as store:
        store.append(ENTRY)
    (found,) = explain(tmp_path, "7")
    assert found.entry == ENTRY
