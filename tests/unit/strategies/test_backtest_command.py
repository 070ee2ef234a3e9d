"""What `huracan backtest` prints of how well a result is known."""

import pytest

from strategies.commands.backtest import known

DOCUMENT = {
    "metrics": {"sharpe": 1.234}, "sharpe_error": 0.5, "interval": [0.25, 2.21], "trials": 12, "dsr": 0.4567, "p_value": 0.0312,
    "reasons": {},
}  # fmt: skip


def test_line_has_ratio_error_deflation_trials_and_chance():
    said = "Sharpe 1.23 ± 0.50 (95 %: 0.25 to 2.21), DSR 0.457 (12 trials), p 0.031 against random timing"
    assert known(DOCUMENT) == said


@pytest.mark.parametrize(("trials", "said"), [(1, "(1 trial)"), (2, "(2 trials)")])
def test_line_without_a_ratio_says_why(trials, said):
    none = {"sharpe_error": None, "interval": None, "dsr": None, "p_value": None, "trials": trials}
    line = known({**DOCUMENT, **none, "metrics": {"sharpe": None}, "reasons": {"sharpe_error": "returns must vary"}})
    assert line == f"no Sharpe ratio: returns must vary, DSR - {said}, p - against random timing"
