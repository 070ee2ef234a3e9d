"""A paired test that may be looked at after every pair: is the candidate worse than the champion, or better?

Each pair gives a difference d, in units of what the differences before it were like (their root mean square, so that the unit is
known beforehand and the variance about 1). With S the sum of n differences, Q the sum of their squares and V = max(Q, (Q + 2n) / 3),
exp(l S - l^2 V / 2) is for every l bounded by a supermartingale that begins at 1

- by exp(l S - l^2 Q / 2) when each difference is as likely as its negative, given the past (de la Peña 1999): no variance is
  estimated, and tails may be as heavy as they like;
- by exp(l S - l^2 (Q + 2n) / 6) when their mean is zero and their variance 1, however skewed they are (Delyon 2009).

Half-normal weights on l, of standard deviation `effect` and of one sign, make of all l one process

    E = 2 / sqrt(t^2 V + 1) * exp(t^2 S^2 / (2 (t^2 V + 1))) * Phi(+-t S / sqrt(t^2 V + 1)),    t = effect

which begins at 1 and, while the candidate is no better (with -, no worse), exceeds 1/alpha at any time with a probability of at most
alpha (Ville 1939; mixtures: Robbins 1970).

What it is not: a test of the ratio to risk. A candidate that earns as much with twice the risk is no worse to it.

References
----------
.. [1] V. H. de la Peña, A general class of exponential inequalities for martingales and ratios, Annals of Probability 27, 1999
.. [2] H. Robbins, Statistical methods related to the law of the iterated logarithm, Annals of Mathematical Statistics 41, 1970
.. [3] S. R. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, Time-uniform Chernoff bounds via nonnegative supermartingales, Probability
   Surveys 17, 2020, Table 3 (both cases)
.. [4] B. Delyon, Exponential inequalities for sums of weakly dependent variables, Electronic Journal of Probability 14, 2009
"""

import math
from typing import Any

from scipy.special import log_ndtr

SCALE_PAIRS = 10
"""Differences that only make the first unit."""


class PairedTest:
    """Evidence from pairs of returns, each after costs.

    Parameters
    ----------
    effect
        Difference per pair, in standard deviations of the difference, that it is tuned to see.

    Attributes
    ----------
    pairs
        Pairs so far.
    total
        Sum of candidate minus champion.
    """

    def __init__(self, effect: float = 0.03) -> None:
        self._effect = effect
        self.pairs = 0
        self.total = 0.0
        self._seen = 0
        self._squares = 0.0
        self._sum = 0.0
        self._scaled_squares = 0.0
        self._counted = 0

    def update(self, candidate: float, champion: float) -> None:
        """Take in what the two earned over the same time, simple returns.

        A pair without a difference says nothing, and changes nothing but the count.
        """
        self.pairs += 1
        difference = candidate - champion
        if difference == 0.0:
            return
        self.total += difference
        if self._seen >= SCALE_PAIRS:
            scaled = difference / math.sqrt(self._squares / self._seen)
            self._sum += scaled
            self._scaled_squares += scaled * scaled
            self._counted += 1
        self._seen += 1
        self._squares += difference * difference

    @property
    def worse(self) -> float:
        """Evidence, an e-value, that the candidate is worse; 1/alpha and beyond refutes that it is not."""
        return math.exp(min(self._log(-1.0), 700.0))

    @property
    def better(self) -> float:
        """Evidence, an e-value, that the candidate is better."""
        return math.exp(min(self._log(1.0), 700.0))

    @property
    def mean(self) -> float:
        """Mean difference per pair; 0 before the first."""
        return self.total / self.pairs if self.pairs else 0.0

    def _log(self, sign: float) -> float:
        squares = self._scaled_squares
        variation = max(squares, (squares + 2.0 * self._counted) / 3.0)
        return log_evidence(self._sum, variation, self._effect, sign)

    def figures(self) -> dict[str, float]:
        """Return `pairs, mean_difference, worse, better`."""
        return {
            "pairs": float(self.pairs),
            "mean_difference": self.mean,
            "worse": self.worse,
            "better": self.better,
        }

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {
            "pairs": self.pairs,
            "total": self.total,
            "seen": self._seen,
            "squares": self._squares,
            "sum": self._sum,
            "scaled_squares": self._scaled_squares,
            "counted": self._counted,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.pairs, self.total, self._seen = int(state["pairs"]), float(state["total"]), int(state["seen"])
        self._squares, self._sum = float(state["squares"]), float(state["sum"])
        self._scaled_squares, self._counted = float(state["scaled_squares"]), int(state["counted"])


def log_evidence(total: float, variation: float, effect: float, sign: float) -> float:
    """Return the log of E for a sum S, its variation V, and the side that is looked for (+1 better, -1 worse).

    >>> log_evidence(0.0, 0.0, 0.05, 1.0)
    0.0
    """
    spread = effect * effect * variation + 1.0
    reach = effect * total / math.sqrt(spread)
    return math.log(2.0) - 0.5 * math.log(spread) + 0.5 * reach * reach + float(log_ndtr(sign * reach))
