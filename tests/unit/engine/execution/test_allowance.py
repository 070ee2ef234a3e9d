"""What signals let a decision hold: budgets, ceilings, confidence; expected values by hand."""

from functools import partial

import numpy as np
import pytest
import torch

from engine.contract.config import Limits
from engine.contract.signals import names
from engine.execution.allowance import REBALANCED, RECENT, WEIGHT, allowance, by_confidence, capped
from engine.signals.settings import ChangepointSettings, RiskBudgetSettings, SignalSettings

LIMITS = Limits(max_position_frac=0.5)


def said(signal: str, **columns: list[float]) -> np.ndarray:
    """Rows of a signal, one per instrument; columns that are not named are 0."""
    rows = np.zeros((len(next(iter(columns.values()))), len(names(signal))))
    for name, values in columns.items():
        rows[:, names(signal).index(name)] = values
    return rows


def test_places_of_the_columns_are_those_of_the_contract():
    assert names("risk_budget")[WEIGHT] == "weight"
    assert names("risk_budget")[REBALANCED] == "rebalanced"
    assert names("changepoint")[RECENT] == "recent"


def test_without_signals_the_limit_is_the_budget_and_nothing_is_bounded():
    allowed = allowance({}, SignalSettings(), LIMITS, (2,))
    assert allowed.budget_frac.tolist() == [0.5, 0.5]
    assert allowed.ceiling.tolist() == [np.inf, np.inf]


def test_weight_is_the_budget_up_to_the_limit_and_next_to_nothing_is_nothing():
    rows = said("risk_budget", weight=[0.2, 0.8, 0.004, 0.0], available=[1.0, 1.0, 1.0, 0.0])
    allowed = allowance({"risk_budget": rows}, SignalSettings(risk_budget=RiskBudgetSettings()), LIMITS, (4,))
    assert allowed.budget_frac.tolist() == [0.2, 0.5, 0.5, 0.5]
    assert allowed.ceiling.tolist() == [np.inf, np.inf, 0.0, 0.0]


def test_rebalance_brings_every_instrument_down_to_its_budget():
    rows = said("risk_budget", weight=[0.2, 0.3], rebalanced=[1.0, 1.0])
    allowed = allowance({"risk_budget": rows}, SignalSettings(risk_budget=RiskBudgetSettings()), LIMITS, (2,))
    assert allowed.ceiling.tolist() == [1.0, 1.0]


def test_change_halves_above_070_and_ends_above_090_where_it_acts():
    rows = said("changepoint", recent=[0.70, 0.71, 0.90, 0.91])
    acting = SignalSettings(changepoint=ChangepointSettings())
    telling = SignalSettings(changepoint=ChangepointSettings(acts=False))
    assert allowance({"changepoint": rows}, acting, LIMITS, (4,)).ceiling.tolist() == [np.inf, 0.5, 0.5, 0.0]
    assert allowance({"changepoint": rows}, telling, LIMITS, (4,)).ceiling.tolist() == [np.inf] * 4


@pytest.mark.parametrize("kind", [np.array, partial(torch.tensor, dtype=torch.float64)], ids=["numpy", "torch"])
def test_target_comes_down_to_its_ceiling_beyond_the_band_and_is_else_unchanged(kind):
    target = kind([0.9, -0.9, 0.54, 0.56, 1.3, -1.3, 0.0])
    ceiling = kind([0.5, 0.5, 0.5, 0.5, np.inf, 1.0, np.inf])
    assert capped(target, ceiling).tolist() == [0.5, -0.5, 0.54, 0.5, 1.3, -1.0, 0.0]


def test_confidence_scales_what_is_added_and_nothing_that_is_taken_away():
    target = np.array([1.0, 0.2, 0.0, -0.6, 0.5, 1.0, 1.0])
    exposure = np.array([0.5, 0.8, 0.8, 0.4, 0.5, 0.0, 0.5])
    confidence = np.array([0.5, 0.1, 0.1, 0.5, 0.3, np.nan, 2.0])
    assert by_confidence(target, exposure, confidence).tolist() == [0.75, 0.2, 0.0, -0.3, 0.5, 0.0, 1.0]
