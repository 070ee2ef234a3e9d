"""Every strategy goes through every crisis that the catalog holds, at every budget, with the breaker and without."""

import msgspec
import numpy as np
import pytest

from catalogs.altering import write_copy
from catalogs.arrays import Bars, Funding
from engine.contract.calendar import NS_PER_SEC, to_ns
from engine.contract.config import dump, parse
from engine.contract.errors import DataError
from engine.contract.instrument import InstrumentSpec
from engine.evaluation.crises import CRISES
from strategies.commands import verify
from strategies.crisis_runs import Case, crises_of, rehearse, strategies

HOUR = 3_600 * NS_PER_SEC
NAME = "BTCUSDT.SIM"


def catalog(folder, first_day=0, days=13):
    """Hourly bars from the first crisis on: 100, and from the middle on 60."""
    spec = InstrumentSpec(NAME, "spot", "BTC", "USDT", 2, 5)
    count = days * 24
    opened = to_ns(CRISES[0].start) + first_day * 24 * HOUR + np.arange(count) * HOUR
    close = np.where(np.arange(count) < count // 2, 100.0, 60.0)
    bars = Bars(spec, "1-HOUR", opened, opened + HOUR, close, close, close, close, np.full(count, 5.0))
    write_copy(folder, [(bars, Funding(np.zeros(0, np.int64), np.zeros(0)))])
    return folder


def configured(folder, **sections):
    document = {
        "data": {"catalog": str(folder)},
        "universe": {"instruments": [NAME]},
        "strategy": {"name": "buy_and_hold"},
        **sections,
    }
    return parse(document)


def test_fall_in_a_crisis_trips_at_every_budget_that_feels_it(tmp_path):
    config = configured(catalog(tmp_path), limits={"max_position_frac": 0.02})
    cases = {(case.strategy, case.budget): case for case in rehearse(config, [0.02, 1.0])}
    assert len(cases) == 6
    small, whole = cases["buy_and_hold", 0.02], cases["buy_and_hold", 1.0]
    assert (small.crisis, small.start, small.end, small.decisions) == (
        "2020-03 pandemic",
        "2020-03-08",
        "2020-03-21",
        312,
    )
    assert (small.tripped, small.first, small.totals.saved) == ({}, None, 0.0)
    assert whole.tripped == {"daily_loss": 1, "drawdown": 1}
    assert whole.first == ("drawdown", "2020-03-14T14:00:00Z")
    assert whole.return_without == pytest.approx(-0.4, abs=0.005)
    assert whole.totals.saved_frac == pytest.approx(whole.return_with - whole.return_without, rel=1e-3)


def test_catalog_without_a_whole_crisis_is_refused_with_their_names(tmp_path):
    config = configured(catalog(tmp_path, first_day=1))
    with pytest.raises(
        DataError, match=r"1-HOUR bars of a crisis: 2020-03 pandemic \(2020-03-08 to 2020-03-21\), .*was none"
    ):
        crises_of(config)


def test_configured_strategy_keeps_its_parameters_and_baselines_look_back_a_day(tmp_path):
    config = configured(tmp_path, strategy={"name": "trend", "lookback": 5})
    found = strategies(config)
    assert list(found) == ["buy_and_hold", "trend", "volatility_target"]
    assert found["trend"] == {"name": "trend", "lookback": 5}
    assert found["volatility_target"]["span"] == 24


def test_command_adds_the_crises_to_the_drills_and_prints_a_row_per_case(tmp_path, capsys):
    config = configured(catalog(tmp_path / "catalog"), limits={"max_position_frac": 1.0})
    path = tmp_path / "config.toml"
    path.write_text(dump(config))
    verify.app(["breakers", str(path), "--crises", "--most", "0", "--json"], standalone_mode=False)
    document = msgspec.json.decode(capsys.readouterr().out)
    assert document["passed"]
    assert [case["strategy"] for case in document["crises"]] == ["buy_and_hold", "trend", "volatility_target"]
    assert document["crises"][0]["totals"]["not_replayed"] == 2
    verify.show_cases([msgspec.convert(case, Case) for case in document["crises"]])
    assert "2020-03 pandemic  buy_and_hold" in capsys.readouterr().out
