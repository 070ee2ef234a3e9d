"""Signals in the event loop: the order of the actors, what reaches the journal, and what bounds the positions."""

import datetime as dt
import json

import numpy as np
import pytest

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse
from engine.contract.errors import ConfigError
from engine.contract.signals import COLUMNS, names
from engine.signals.history import BarHistory, replay
from strategies.assembly import assemble
from strategies.backtest import load, run
from strategies.signals import signals_of

MONTH = 30 * 24
ALL = {"regime": {"fit_end": dt.datetime(2020, 3, 1, tzinfo=dt.UTC)}, "changepoint": {}, "risk_budget": {}}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("signals")
    for market in ("trend", "regimes"):
        store_markets(root, synthesise(market, 5 * MONTH, 3))
    return str(root)


def configured(catalog: str, **sections: object) -> Config:
    document = {
        "data": {"catalog": catalog, "start": dt.date(2020, 4, 1), "end": dt.date(2020, 5, 1)},
        "universe": {"instruments": ["TRENDUSDT.SIM", "REGIMESUSDT.SIM"]},
        "strategy": {"name": "buy_and_hold"},
        "limits": {"max_position_frac": 0.5},
        "actors": ALL,
    }
    return parse(document | sections)


def test_journal_says_of_each_instrument_what_the_cores_say_over_history_to_the_last_bit(catalog):
    config = configured(catalog)
    market, session = load(config)
    outcome = run(config, market, session)
    ts_turn = np.unique(np.concatenate([part.bars.ts_close for part in market.parts]))
    histories = [
        BarHistory(bars.ts_close, np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume], -1))
        for bars in (part.bars for part in market.parts)
    ]
    said = replay(signals_of(config), histories, ts_turn)
    number = {name: k for k, name in enumerate(config.universe.instruments)}
    place = {int(ts): g for g, ts in enumerate(ts_turn)}
    entries = outcome.journal.entries
    assert len(entries) == 2 * MONTH
    for entry in entries:
        context = json.loads(entry.context)
        assert list(context) == list(COLUMNS)
        for name in COLUMNS:
            wanted = said[name][place[entry.ts_event], number[entry.instrument_id]]
            assert context[name] == dict(zip(names(name), wanted.tolist()))
        assert context["risk_budget"]["available"] == 1.0


def test_budget_of_the_day_is_the_budget_of_the_decision(catalog):
    config = configured(catalog)
    outcome = run(config, *load(config))
    equity = dict(zip(*(outcome.blotter.equity_table()[name].to_pylist() for name in ("ts_event", "equity"))))
    for entry in outcome.journal.entries:
        weight = json.loads(entry.context)["risk_budget"]["weight"]
        assert entry.budget == pytest.approx(min(weight, 0.5) * equity[entry.ts_event], rel=1e-12)


def test_position_that_outgrew_its_budget_is_trimmed_at_the_rebalance_and_at_no_other_turn(catalog):
    actors = {"risk_budget": {"target_volatility": 0.2, "half_life": 48.0}}
    config = configured(catalog, actors=actors)
    outcome = run(config, *load(config))
    trims = [
        entry for entry in outcome.journal.entries if entry.raw_action != entry.target_exposure and entry.order_key
    ]
    sells = [fill for fill in outcome.blotter.fills if fill.side < 0]
    assert sells
    for entry in trims:
        assert json.loads(entry.context)["risk_budget"]["rebalanced"] == 1.0
        assert entry.target_exposure == 1.0


def test_change_takes_positions_away_only_where_it_acts(catalog):
    bold = {"reduce_above": 0.2, "exit_above": 0.3, "model": "plain"}
    counts = {}
    for acts in (True, False):
        config = configured(catalog, actors={"changepoint": bold | {"acts": acts}})
        outcome = run(config, *load(config))
        said = [json.loads(entry.context)["changepoint"]["recent"] for entry in outcome.journal.entries]
        bounded = [
            entry.target_exposure for entry, recent in zip(outcome.journal.entries, said) if recent > bold["exit_above"]
        ]
        counts[acts] = (len(bounded), sum(target != 0.0 for target in bounded))
    assert counts[True][0] == counts[False][0] > 0
    assert counts[True][1] == 0
    assert counts[False][1] > 0


def test_regime_that_was_fitted_on_what_is_decided_is_refused(catalog):
    late = ALL | {"regime": {"fit_end": dt.datetime(2020, 4, 2, tzinfo=dt.UTC)}}
    with pytest.raises(ConfigError, match=r"actors\.regime\.fit_end must be at or before the first decision"):
        load(configured(catalog, actors=late))


def test_actors_stand_before_the_strategy_in_the_order_of_their_priorities(catalog):
    config = configured(catalog, actors=ALL | {"breaker": {}})
    market, _ = load(config)
    specs = tuple(part.bars.instrument for part in market.parts)
    kinds = [f"{spec.instrument_id}-1-HOUR-LAST-EXTERNAL" for spec in specs]
    assembly = assemble(config, specs, kinds, market.first_decision_ns, None)
    assert [type(actor).__name__ for actor in assembly.actors] == [
        "Conductor",
        "SignalActor",
        "SignalActor",
        "SignalActor",
        "BreakerActor",
    ]
    outcome = run(config, market, None)
    assert list(json.loads(outcome.journal.entries[0].context)) == [*COLUMNS, "breaker"]
