"""Trials: what the ledger knows of each, which of them belong together, and what they make of the best one.

A family is what one chooses from: the strategy's name (`policy` for every trained policy), its instruments, and its bar. The name under
which a policy was trained is not part of it, so that a new name does not begin a new count.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from engine.contract.errors import DataError, broken
from engine.evaluation.deflated import Deflated, VariancePerPeriod, deflated_sharpe, selection_variance
from engine.evaluation.samples import Floats
from engine.evaluation.sharpe import SharpeEstimate

Origin = Literal["train", "backtest", "walkforward", "search"]
Status = Literal["open", "done", "failed"]
MOST_NAMED = 4
"""Instruments that a family's name spells out; of more, it has their number and a digest."""


class Row(NamedTuple):
    """One trial, as it is in the ledger.

    Attributes
    ----------
    id
        In the order in which trials began.
    family
        See the module; `family_name` makes it.
    path
        `train` (a validation by which a seed or a checkpoint is chosen), `backtest`, `walkforward`, `search`.
    config_sha256, seed
        Of the resolved configuration; the seed of the trial.
    start_ns, end_ns
        Span that was evaluated, UTC ns, end excluded.
    started, ended
        Wall time, UTC; None while open.
    status
        `open`, `done`, or `failed`; an open row whose process is gone stays open.
    sharpe_per_period, periods, periods_per_year, skew, kurtosis
        Of the returns; the ratio is None where it has no value, as for a strategy that never traded.
    policy, run_id
        What was evaluated, and where its run folder is; None where there is none.
    reason
        Why it failed.
    """

    id: int
    family: str
    path: str
    config_sha256: str
    seed: int
    start_ns: int
    end_ns: int
    started: str
    ended: str | None
    status: str
    sharpe_per_period: float | None
    periods: int | None
    periods_per_year: float | None
    skew: float | None
    kurtosis: float | None
    policy: str | None
    run_id: str | None
    reason: str | None


class Trials(NamedTuple):
    """What the deflated Sharpe ratio needs of a family.

    Attributes
    ----------
    number
        Different evaluations: rows that repeat configuration, policy, seed, span and result of another count once, as nothing new was
        seen. Open and failed ones count.
    rows, unfinished, failed
        All rows; those still open; those that failed.
    sharpes_per_period : float64 (n,)
        Ratios of the different evaluations that have one, in the period of `periods_per_year`.
    periods_per_year
        What they are per.
    periods : float64 (n,)
        Observations behind each ratio, in the same period; not whole where it was made in another.
    """

    number: int
    rows: int
    unfinished: int
    failed: int
    sharpes_per_period: Floats
    periods_per_year: float
    periods: Floats

    @property
    def variance_per_period(self) -> VariancePerPeriod | None:
        """Variance (n - 1) of the ratios; None of fewer than two."""
        values = self.sharpes_per_period
        return VariancePerPeriod(float(values.var(ddof=1))) if len(values) > 1 else None

    def deflate(self, selected: SharpeEstimate) -> Deflated:
        """Return the deflated Sharpe ratio of the trial that was selected from these.

        Raises
        ------
        DataError
            The estimate is per another period.

        Notes
        -----
        A ratio of zero scatters by 1 / (T - 1) around zero, so that trials over short spans say too much about what luck does over a long
        one. Each ratio is therefore brought to the length of the selected one, times the root of (T_i - 1) / (T - 1), before the variance
        is taken. **Departure** from the paper, where all trials have one length; there it changes nothing.
        """
        if not math.isclose(selected.periods_per_year, self.periods_per_year):
            rule = f"be per {self.periods_per_year:g} periods a year, as the trials"
            raise DataError(broken("Sharpe ratio", rule, f"per {selected.periods_per_year:g}"))
        lengths = np.maximum(self.periods, 2.0) - 1.0
        ratios = self.sharpes_per_period * np.sqrt(lengths / max(1.0, selected.periods - 1.0))
        variance = selection_variance(ratios, selected.periods)
        return deflated_sharpe(
            selected.per_period, selected.periods, max(1, self.number), variance, selected.skew, selected.kurtosis
        )


def count(rows: Sequence[Row], periods_per_year: float) -> Trials:
    """Count the trials of one family's rows, and bring their Sharpe ratios to the period of `periods_per_year`."""
    different: dict[tuple[object, ...], tuple[float, float] | None] = {}
    for row in rows:
        found = None
        if row.sharpe_per_period is not None and row.periods_per_year:
            longer = row.periods_per_year / periods_per_year
            found = row.sharpe_per_period * math.sqrt(longer), (row.periods or 0) / longer
        different[row.config_sha256, row.policy, row.seed, row.start_ns, row.end_ns, found] = found
    # Sorted, so that the order in which processes wrote their rows does not reach the last digit of a sum.
    measured = np.array(sorted(found for found in different.values() if found is not None)).reshape(-1, 2)
    states = [row.status for row in rows]
    return Trials(
        len(different),
        len(rows),
        states.count("open"),
        states.count("failed"),
        measured[:, 0],
        periods_per_year,
        measured[:, 1],
    )


def family_name(strategy: str, instruments: Sequence[str], bar: str) -> str:
    """Name a family: strategy, instruments in the order of the alphabet, bar.

    Parameters
    ----------
    strategy
        `strategy.name` of the configuration; `policy` for all trained policies, whatever they are called.

    Examples
    --------
    >>> family_name("policy", ["ETHUSDT.BINANCE", "BTCUSDT.BINANCE"], "1-HOUR")
    'policy:BTCUSDT.BINANCE+ETHUSDT.BINANCE:1-HOUR'
    """
    joined = "+".join(sorted(instruments))
    if len(instruments) > MOST_NAMED:
        joined = f"{len(instruments)}-instruments-{hashlib.sha256(joined.encode()).hexdigest()[:8]}"
    return f"{strategy}:{joined}:{bar}"
