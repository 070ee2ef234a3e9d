"""Two strategies on equal terms: the same turns, the same costs, paired returns."""

import numpy as np

from engine.contract.errors import DataError, broken
from engine.evaluation.comparison import Difference, Method, Statistic, compare
from strategies.stress.track import Span, Track, prepared, traded


def paired(first: Track, second: Track) -> tuple[Track, Track]:
    """Keep the rows of both whose two turns are the same.

    Raises
    ------
    DataError
        There is none.
    """
    keys = [list(zip(path.from_ns.tolist(), path.to_ns.tolist())) for path in (first, second)]
    shared = set(keys[0]) & set(keys[1])
    if not shared:
        raise DataError(broken("paths", "have turns in common", "none"))
    one, other = (
        path.where(np.array([key in shared for key in own])) for path, own in zip((first, second), keys, strict=True)
    )
    return one, other


def against(first: Track, second: Track, statistic: Statistic = "sharpe", method: Method = "hac") -> Difference:
    """Compare two paths on the turns that they share; see `engine.evaluation.comparison.compare`."""
    one, other = paired(first, second)
    return compare(one.returns, other.returns, statistic=statistic, method=method)


def duel(
    first: list[Span], second: list[Span], statistic: Statistic = "sharpe", method: Method = "hac"
) -> tuple[Track, Track, Difference]:
    """Trade two strategies in the engine over their spans, and compare them; a discrete policy against a continuous one, say."""
    one, other = traded(prepared(first)), traded(prepared(second))
    return one, other, against(one, other, statistic, method)
