"""Each trip is replayed without it: in a crash that goes on it saves, in a dip that comes back it costs, by amounts worked out by hand."""

import msgspec
import numpy as np
import pytest

from engine.contract.config import dump
from engine.contract.errors import CheckFailed, UsageError
from engine.journal import run as folder_format
from engine.journal.explain import explain
from engine.risk.breaker_disregard import EVERYTHING
from strategies.backtest import run
from strategies.commands import trips
from strategies.trips import account, account_run, curve, replay, untouched
from tests.unit.strategies.conftest import bars, market

BREAKER = {"daily_loss": 1.0, "confidence": None, "price_collar": None, "position": 5.0, "stages": [1.0]}


def prices(*closes):
    """Bars that open where they close."""
    return np.array([[close] * 4 for close in closes], dtype=float)


GOES_ON = prices(100, 100, 100, 70, 70, 70, 40, 40, 40)
COMES_BACK = prices(100, 100, 100, 70, 70, 70, 100, 100, 100)
SOLD = 70 * (1 - 0.0020)
"""Bid at the open after the trip: half a spread of 20 basis points below."""


def outcome_of(configuration, table, plan=None, limits=None, **breaker):
    config = configuration(plan or {0: 1.0}, actors={"breaker": {**BREAKER, **breaker}}, limits=limits or {})
    return run(config, market(bars(table=table)), None)


def fill_quantity(outcome):
    return outcome.blotter.fills[0].quantity


def test_halt_in_a_crash_that_goes_on_saves_what_the_position_went_on_to_lose(configuration):
    outcome = outcome_of(configuration, GOES_ON)
    found = account(outcome, None)
    (trip,) = found.trips
    assert (trip.control, trip.scope, trip.action, trip.released, trip.replayed) == (
        "drawdown",
        "account",
        "halt",
        None,
        True,
    )
    by_hand = fill_quantity(outcome) * (SOLD * (1 - 0.0005) - 40)
    assert trip.saved == pytest.approx(by_hand, rel=1e-6)
    assert (trip.horizon, trip.false, trip.instead) == ("end", False, ())
    assert trip.equity_with - trip.equity_without == pytest.approx(trip.saved)
    assert (found.totals.saved, found.totals.false, found.totals.costly) == (pytest.approx(by_hand), 0, 0)


def test_halt_in_a_dip_that_comes_back_costs_the_recovery_and_is_false(configuration):
    outcome = outcome_of(configuration, COMES_BACK)
    found = account(outcome, None)
    (trip,) = found.trips
    by_hand = fill_quantity(outcome) * (100 - SOLD * (1 - 0.0005))
    assert (trip.saved, trip.false) == (pytest.approx(-by_hand, rel=1e-6), True)
    assert (found.totals.false_cost, found.totals.cost) == (pytest.approx(by_hand), pytest.approx(by_hand))
    assert found.totals.max_drawdown_with == pytest.approx(found.totals.max_drawdown_without, abs=2e-3)


def test_replay_without_the_only_trip_is_the_run_without_a_breaker(configuration):
    outcome = outcome_of(configuration, GOES_ON)
    (trip,) = account(outcome, None).trips
    bare = run(configuration({0: 1.0}), market(bars(table=GOES_ON)), None)
    assert trip.equity_without == curve(bare).equity[-1]
    off = replay(outcome, None, EVERYTHING)
    assert np.array_equal(curve(off).equity, curve(bare).equity)
    assert off.blotter.fills == bare.blotter.fills


def test_replay_that_disregards_nothing_makes_the_same_decisions(configuration):
    outcome = outcome_of(configuration, GOES_ON)
    assert replay(outcome, None).journal.decisions_sha256 == outcome.journal.decisions_sha256


def test_refused_entry_counts_like_a_closed_position(configuration):
    outcome = outcome_of(
        configuration, prices(100, 100, 70, 70, 70, 100, 100), {0: 0.6, 3: 1.0, 4: 1.0}, action={"drawdown": "reduce"}
    )
    (trip,) = account(outcome, None).trips
    assert (trip.action, trip.refused) == ("reduce", 2)
    assert trip.saved < 0.0


def test_gates_limit_that_repeats_the_drawdown_is_disregarded_with_it(configuration):
    table = prices(100, 100, 100, 84, 84, 84, 100, 100)
    plan = {0: 1.0, 4: 0.5, 5: 1.0}
    outcome = outcome_of(configuration, table, plan, {"max_drawdown_frac": 0.15})
    (trip,) = account(outcome, None).trips
    bare = run(configuration(plan), market(bars(table=table)), None)
    assert trip.equity_without == curve(bare).equity[-1]


def test_another_control_that_trips_in_its_place_is_named(configuration):
    outcome = outcome_of(configuration, GOES_ON, daily_loss=0.5)
    (trip,) = account(outcome, None).trips
    assert (trip.control, trip.instead) == ("drawdown", ("daily_loss",))


def test_what_is_not_replayed_is_counted(configuration):
    found = account(outcome_of(configuration, GOES_ON), None, most=0)
    assert (found.totals.episodes, found.totals.not_replayed) == (1, 1)
    assert (found.trips[0].replayed, found.trips[0].saved) == (False, None)
    assert found.totals.saved > 0.0


def test_run_that_the_breaker_never_touched_is_its_own_comparison(configuration):
    calm = outcome_of(configuration, prices(*[100] * 6))
    assert untouched(calm)
    assert account(calm, None).totals.saved == 0.0
    doubted = outcome_of(configuration, prices(100, 100, 100, 70, 100, 100), {0: 0.9, 3: 1.0})
    assert not doubted.blotter.changes
    assert not untouched(doubted)


@pytest.mark.parametrize("action", ["halt", "reduce"])
def test_wish_to_reverse_closes_while_a_trip_stands(configuration, action):
    table = prices(100, 100, 100, 70, 70, 70, 40, 40, 40)
    outcome = outcome_of(configuration, table, {0: 1.0, 4: -1.0, 5: -1.0}, action={"drawdown": action})
    quantity = outcome.blotter.equity_table()["quantity:BTCUSDT.SIM"].to_numpy()
    assert quantity[4] > 0.0
    assert quantity[5:].tolist() == [0.0] * len(quantity[5:])
    gates = {entry.seq: entry.gate for entry in outcome.journal.entries}
    assert gates[4] == "approved"
    assert gates[5].startswith("refused: drawdown")


def saved_run(outcome, folder, **changed):
    folder.mkdir(exist_ok=True)
    outcome.journal.write(folder / folder_format.JOURNAL)
    outcome.blotter.write(folder)
    (folder / folder_format.CONFIG).write_text(dump(outcome.config))
    manifest = {"mode": "backtest", "decisions_sha256": outcome.journal.decisions_sha256, "action": None, **changed}
    folder_format.write_json(folder / folder_format.MANIFEST, manifest)
    return folder


def test_forced_order_and_refusal_are_explained_with_time_value_and_limit(configuration, tmp_path):
    outcome = outcome_of(configuration, GOES_ON, {0: 1.0, 6: 1.0}, stages=[0.5, 1.0])
    folder = saved_run(outcome, tmp_path)
    (forced,), (refused,) = explain(folder, "4"), explain(folder, "6")
    held = fill_quantity(outcome)
    trip = "  drawdown 0.300"
    assert "  gate: approved, because it only reduces" in forced.lines
    assert f"  forced by the breaker: of the {held:+g} held, this order leaves {held / 2:+g}; " in "\n".join(
        forced.lines
    )
    for lines in (forced.lines, refused.lines):
        assert any(
            line.startswith(trip) and line.endswith("against 0.15: halt account, tripped at 2024-01-01T05:00:00Z")
            for line in lines
        )
    assert any(line.startswith("  gate: refused: drawdown 0.30") for line in refused.lines)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"mode": "paper"}, UsageError, "must be a back test, was paper"),
        ({"decisions_sha256": "ab" * 32}, CheckFailed, "must replay to abababababab, was"),
    ],
)
def test_run_that_cannot_be_run_again_is_refused(tmp_path, monkeypatch, configuration, changed, error, message):
    outcome = outcome_of(configuration, GOES_ON)
    monkeypatch.setattr("strategies.trips.load", lambda config: (outcome.market, None))
    with pytest.raises(error, match=message):
        account_run(saved_run(outcome, tmp_path, **changed))


def test_run_without_a_breaker_is_refused_with_the_remedy(tmp_path, configuration):
    bare = run(configuration({0: 1.0}), market(bars(table=GOES_ON)), None)
    with pytest.raises(UsageError, match=r"have a breaker, was without one .*; write \[actors\.breaker\]"):
        account_run(saved_run(bare, tmp_path))


def test_account_of_a_folder_is_that_of_its_run_in_plain_values(tmp_path, monkeypatch, configuration):
    outcome = outcome_of(configuration, GOES_ON)
    monkeypatch.setattr("strategies.trips.load", lambda config: (outcome.market, None))
    steps = []
    found = account_run(saved_run(outcome, tmp_path), advance=lambda n, text: steps.append(text))
    assert msgspec.to_builtins(found) == msgspec.to_builtins(account(outcome, None))
    assert steps == ["as it was", "without drawdown", "without the breaker"]


def command(capsys, *arguments):
    trips.app(list(arguments), standalone_mode=False)
    return capsys.readouterr().out


def test_command_prints_its_keys_as_json_and_a_row_per_trip_for_a_person(tmp_path, monkeypatch, configuration, capsys):
    outcome = outcome_of(configuration, COMES_BACK)
    monkeypatch.setattr("strategies.trips.load", lambda config: (outcome.market, None))
    folder = saved_run(outcome, tmp_path / "dip-0001")
    document = msgspec.json.decode(command(capsys, str(folder), "--json"))
    (trip,) = document["trips"]
    assert document["run_id"] == "dip-0001"
    keys = {
        "control",
        "scope",
        "tripped",
        "released",
        "action",
        "equity_with",
        "equity_without",
        "saved",
        "horizon",
        "false",
    }
    assert keys <= set(trip)
    assert [row["horizon"] for row in trip["horizons"]] == ["end"]
    assert document["totals"]["false"] == 1
    printed = command(capsys, str(folder))
    assert "2024-01-01T05:00  drawdown  halt" in printed
    assert f"{trip['saved']:+,.2f}" in printed
    assert "1 trips in 1 episodes" in printed
