"""A walk with its stresses and its grade: what is put under stress is what was traded."""

import datetime as dt

import numpy as np
import pytest

from engine.contract.config import parse
from engine.evaluation.ledger import Ledger
from engine.evaluation.walk_page import write_page
from strategies.walk_stress import STEPS, against_baselines, chosen_spans, stressed
from strategies.walking import walk_forward
from tests.conftest import SAMPLE


@pytest.mark.slow
def test_walk_carries_stresses_and_a_grade_that_stand_on_its_page(tmp_path):
    config = parse(
        {
            "run": {"name": "stressed"},
            "data": {"catalog": str(SAMPLE), "start": dt.date(2020, 6, 1), "end": dt.date(2020, 10, 1)},
            "universe": {"instruments": ["TRENDUSDT.SIM"]},
            "strategy": {"name": "trend"},
            "limits": {"max_position_frac": 1.0},
            "walkforward": {"train_bars": 800, "test_bars": 700},
        }
    )
    seen, told = [], []

    def extra(walked, document):
        spans = chosen_spans(walked, document)
        seen.append([one.data.start for one, _ in spans])
        found = stressed(walked, document, lambda number, text: told.append(number))
        returns = np.prod(1.0 + walked.chosen.track.returns) - 1.0
        assert found["stress"]["as configured"]["total_return"] == pytest.approx(returns, abs=0.02)
        p_value = against_baselines(walked)
        assert p_value is not None
        assert 0.0 <= p_value <= 1.0
        return found

    ledger = Ledger(tmp_path / "trials.sqlite")
    folder, document = walk_forward(config, root=tmp_path, ledger=ledger, workers=0, extras=[extra], policies=1_000)
    assert len(seen[0]) == len(document["folds"]) == 2
    assert sum(told) == STEPS
    assert document["stress"]["costs x 4"]["total_return"] < document["stress"]["costs x 0"]["total_return"]
    assert document["grade"]["letter"] in "ABCDF"
    page = write_page(folder).read_text()
    assert f"Grade {document['grade']['letter']}" in page
    assert "one turn of delay" in page


@pytest.mark.slow
def test_walk_of_a_strategy_that_peeks_earns_far_too_much_and_is_graded_f(tmp_path):
    config = parse(
        {
            "run": {"name": "peeking"},
            "data": {"catalog": str(SAMPLE), "start": dt.date(2020, 6, 1), "end": dt.date(2020, 8, 15)},
            "universe": {"instruments": ["TRENDUSDT.SIM"]},
            "strategy": {"name": "tests.causality.leaking:Leaking"},
            "limits": {"max_position_frac": 1.0},
            "walkforward": {"train_bars": 800, "test_bars": 350},
        }
    )

    def extra(walked, document):
        return stressed(walked, document, lambda number, text: None)

    ledger = Ledger(tmp_path / "trials.sqlite")
    _, document = walk_forward(config, root=tmp_path, ledger=ledger, workers=0, extras=[extra], policies=500)
    # all that judges what was earned is deceived, and the markets without a direction are not
    assert document["dsr"] > 0.95
    assert document["p_value"] < 0.05
    assert document["directionless"]["leak"]
    assert document["stress"]["one turn of delay"]["sharpe"] < 0.2 * document["sharpe"]
    assert document["grade"]["letter"] == "F"
