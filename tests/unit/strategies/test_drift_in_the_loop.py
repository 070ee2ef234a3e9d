"""[actors.drift] in the event loop: said in the journal, and no more held than its ceiling."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalogs.arrays import read_bars
from engine.contract.config import Config, parse
from engine.contract.errors import PolicyError
from engine.execution.allowance import BAND
from engine.risk.novelty import REFERENCE, fit
from strategies.backtest import load, run
from tests.conftest import ROOT, SAMPLE

START = dt.datetime(2021, 5, 1, tzinfo=dt.UTC)
RELEASED = ROOT / "models" / "released" / "trend" / "2"


def configuration(drift: dict[str, Any] | None) -> Config:
    document: dict[str, Any] = {
        "data": {"catalog": str(SAMPLE), "start": START, "end": START + dt.timedelta(hours=80)},
        "universe": {"instruments": ["TRENDUSDT.SIM"]},
        "policy": {"path": str(RELEASED)},
        "limits": {"max_position_frac": 0.5},
    }
    return parse(document | ({} if drift is None else {"actors": {"drift": drift}}))


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A reference of another market than the one that is traded: a hundredth of its volatility."""
    bars = read_bars(SAMPLE, "TRENDUSDT.SIM", "1-HOUR")
    rows = np.stack([bars.open, bars.high, bars.low, bars.close, bars.volume], -1)[:2_000]
    rows[:, :4] = 100.0 * (rows[:, :4] / 100.0) ** 0.01
    path = tmp_path_factory.mktemp("reference") / REFERENCE
    fit([rows], 96).save(path)
    return path


def test_strange_market_is_held_to_the_ceiling_and_said_in_the_journal(strange: Path) -> None:
    config = configuration({"reference": str(strange), "floor": 0.3})
    outcome = run(config, *load(config))
    wanted = np.array([abs(entry.target_exposure) for entry in outcome.journal])
    bound = np.array([json.loads(entry.context)["drift"]["ceiling"] for entry in outcome.journal])
    assert (wanted <= bound * (1.0 + BAND) + 1e-12).all()
    assert 0.3 <= bound.max() < wanted.max() * 1.2
    said = json.loads(outcome.journal.entries[-1].context)["drift"]
    assert list(said) == ["score", "bound", "ceiling", "alarm", "available"]
    assert (said["alarm"], said["score"] > said["bound"]) == (1.0, True)
    assert said["ceiling"] == pytest.approx(max(0.3, said["bound"] / said["score"]))


def test_drift_that_only_informs_leaves_every_target_as_it_is(strange: Path) -> None:
    config, without = configuration({"reference": str(strange), "acts": False}), configuration(None)
    informed, alone = run(config, *load(config)), run(without, *load(without))
    assert [entry._replace(context="") for entry in informed.journal] == [
        entry._replace(context="") for entry in alone.journal
    ]


def test_policy_without_a_reference_is_refused() -> None:
    config = configuration({})
    with pytest.raises(PolicyError, match=r"reference.npz must be in the policy folder, was missing"):
        run(config, *load(config))
