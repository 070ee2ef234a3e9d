"""The state of every component is whole: whoever is taken apart at the end of a turn and put together again decides the same."""

import datetime as dt

import msgspec
import pytest

from engine.contract.config import parse
from engine.journal.journal import Journal
from engine.journal.state import decode, encode
from engine.risk.breaker import Breaker
from strategies.backtest import load, run
from tests.conftest import SAMPLE
from tests.unit.strategies.conftest import bars, market

BREAKER = {"daily_loss": 0.01, "loss_streak": 3, "drawdown": 0.5}
RULES = ("buy_and_hold", "cash", "random", "trend", "volatility_target")


class Shaken(Journal):
    """Takes every component apart at the end of every turn."""

    def __init__(self, wiped=()):
        super().__init__()
        self.wiped = dict(wiped)
        self.turns = 0

    def end_turn(self, ts_event, components):
        self.turns += 1
        for name, part in components.items():
            body = encode(part.state())
            if name in self.wiped:
                _wipe(part, self.wiped[name])
            part.restore(decode(body))
            assert encode(part.state()) == body


def _wipe(part, make):
    """Leave of a component what the engine knows of it, and put the attributes of a new one into it."""
    fresh = make(part)
    kept = {name: value for name, value in vars(part).items() if name in ("mandate", "parameters", "after")}
    vars(part).clear()
    vars(part).update({**vars(fresh), **kept})


def sample(name, breaker=True, **strategy):
    document = {
        "run": {"name": "small", "seed": 3},
        "data": {"catalog": str(SAMPLE), "start": dt.date(2021, 5, 1), "end": dt.date(2021, 5, 11)},
        "universe": {"instruments": ["TRENDUSDT.SIM"]},
        "strategy": {"name": name, **strategy},
        "limits": {"max_position_frac": 1.0},
    }
    if name == "policy":
        document["policy"] = {"path": "models/released/trend/2"}
    if breaker:
        document["actors"] = {"breaker": BREAKER}
    return parse(document)


def tables(outcome):
    blotter = outcome.blotter
    return [
        outcome.journal.decisions_sha256,
        *(table().to_pylist() for table in (blotter.orders_table, blotter.fills_table, blotter.changes_table)),
        blotter.equity_table().to_pydict(),
    ]


@pytest.mark.parametrize("name", ["policy", *RULES])
def test_run_whose_components_are_restored_at_every_turn_is_the_undisturbed_run(name):
    config = sample(name)
    history, session = load(config)
    plain, shaken = run(config, history, session), Shaken()
    assert tables(run(config, history, session, journal=shaken)) == tables(plain)
    assert len(plain.journal) == 240
    assert shaken.turns > len(plain.journal)
    assert name == "cash" or plain.blotter.fills


def test_signals_that_are_restored_at_every_turn_say_and_bound_the_same():
    plain = sample("trend")
    signals = {"regime": {"fit_end": dt.datetime(2021, 1, 1, tzinfo=dt.UTC)}, "changepoint": {}, "risk_budget": {}}
    actors = msgspec.structs.replace(plain.actors, **signals)
    config = msgspec.structs.replace(plain, actors=actors)
    history, session = load(config)
    undisturbed = run(config, history, session)
    assert "risk_budget" in undisturbed.journal.entries[0].context
    assert tables(run(config, history, session, journal=Shaken())) == tables(undisturbed)


@pytest.mark.parametrize("name", ["policy", *RULES])
def test_fresh_strategy_that_takes_over_a_state_decides_the_same_from_there(name):
    config = sample(name, breaker=False)
    history, session = load(config)
    plain = run(config, history, session)

    def fresh(strategy):
        arguments = (strategy.mandate, strategy.parameters)
        return type(strategy)(*arguments, session) if session else type(strategy)(*arguments)

    assert tables(run(config, history, session, journal=Shaken({"strategy": fresh}))) == tables(plain)


def test_breaker_that_is_new_takes_over_what_is_tripped():
    config = sample("random", enter=0.5, leave=0.3)
    history, session = load(config)
    plain = run(config, history, session)
    assert {change.kind for change in plain.blotter.changes} == {"tripped", "released"}

    class Renewed(Shaken):
        def end_turn(self, ts_event, components):
            core = components["breaker"]._breaker
            body = encode(core.state())
            vars(core).update(vars(Breaker(core.instruments, core.settings, core._bar_ns)))
            core.restore(decode(body))
            super().end_turn(ts_event, components)

    assert tables(run(config, history, session, journal=Renewed())) == tables(plain)


def test_held_orders_of_several_instruments_stand_as_plain_values_and_are_made_again(configuration):
    names = ("BTCUSDT.SIM", "ETHUSDT.SIM")
    config = configuration({1: {0: 0.5, 1: -0.5}}, names)
    history = market(*(bars(name) for name in names))
    states = []

    class Looking(Shaken):
        def end_turn(self, ts_event, components):
            states.append(components["strategy"].state())
            super().end_turn(ts_event, components)

    plain = run(config, history, None)
    fresh = {"strategy": lambda strategy: type(strategy)(strategy.mandate, strategy.parameters)}
    assert tables(run(config, history, None, journal=Looking(fresh))) == tables(plain)
    first, second = (plain.blotter.orders[f"1:{name}"] for name in names)
    assert states[1]["held"] == [
        [0, "1:BTCUSDT.SIM", first.client_order_id, first.quantity],
        [1, "1:ETHUSDT.SIM", second.client_order_id, second.quantity],
    ]
    assert states[1]["order_keys"] == {first.client_order_id: first.order_key, second.client_order_id: second.order_key}
    assert states[2]["held"] == states[2]["on_their_way"] == []


class Sent(Journal):
    """Notes how many orders there were when each row came."""

    def append(self, entry):
        self.seen = [*getattr(self, "seen", []), (entry.order_key, len(self.blotter.orders))]
        super().append(entry)


def test_row_of_an_order_is_written_before_the_order_is_made(configuration):
    journal = Sent()

    def look(assembly):
        journal.blotter = assembly.blotter

    run(configuration({1: 0.5, 3: 0.1}), market(bars()), None, prepare=look, journal=journal)
    assert [(key, orders) for key, orders in journal.seen if key] == [("1:BTCUSDT.SIM", 0), ("3:BTCUSDT.SIM", 1)]
