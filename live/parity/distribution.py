"""Fills of two runs as two samples: what can be said of their slippage and delay where they need not be equal one by one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from live.parity.sides import Side

LEAST = 8
"""Fills a side below which nothing is concluded."""

RESAMPLES = 2_000
LEVEL = 0.95
ALPHA = 0.01
"""Chance of calling two equal samples different."""


def distributions(left: Side, right: Side, seed: int = 0) -> list[dict[str, Any]]:
    """Compare slippage (price against the close that was decided on, bps, positive is paid) and delay (event time from decision to fill).

    Returns
    -------
    One statement per measure: sizes and means of both samples, the difference of the means with its bootstrapped 95 % interval, the
    two-sample Kolmogorov-Smirnov statistic with its p-value, and `differs`: whether that is below `ALPHA`. Where a side has fewer than
    `LEAST` fills `differs` is None: too few to say.

    Notes
    -----
    A large p-value is no proof of equality: `detectable` is the distance between the two distributions that samples of these sizes would
    show with p = `ALPHA`.
    """
    first, second = _measured(left), _measured(right)
    return [_stated(name, first[name], second[name], seed) for name in first]


def _measured(side: Side) -> dict[str, NDArray[np.float64]]:
    orders = {order.order_key: order for order in side.orders}
    known = [(fill, orders[fill.order_key]) for fill in side.fills if fill.order_key in orders]
    slippage = [fill.side * (fill.price / order.decision_price - 1.0) * 1e4 for fill, order in known]
    delay = [(fill.ts_event - order.ts_decided) / 1e9 for fill, order in known]
    return {"slippage_bps": np.array(slippage), "delay_secs": np.array(delay)}


def _stated(name: str, one: NDArray[np.float64], other: NDArray[np.float64], seed: int) -> dict[str, Any]:
    stated: dict[str, Any] = {"measure": name, "n": [len(one), len(other)]}
    if min(len(one), len(other)) < LEAST:
        return stated | {"differs": None, "said": f"too few fills to say: fewer than {LEAST}"}
    random = np.random.default_rng(seed)
    drawn = [random.choice(sample, (RESAMPLES, len(sample))).mean(1) for sample in (one, other)]
    low, high = np.quantile(drawn[1] - drawn[0], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    test = ks_2samp(one, other)
    detectable = float(np.sqrt(-0.5 * np.log(ALPHA / 2) * (1 / len(one) + 1 / len(other))))
    differs = bool(test.pvalue < ALPHA)
    word = "differ" if differs else "cannot be told apart"
    return stated | {
        "mean": [float(one.mean()), float(other.mean())],
        "difference": float(other.mean() - one.mean()),
        "interval": [low, high],
        "ks": float(test.statistic),
        "p_value": float(test.pvalue),
        "detectable": min(1.0, detectable),
        "differs": differs,
        "said": f"the samples {word} (n {len(one)} and {len(other)}; a distance under {min(1.0, detectable):.2f} would not show)",
    }
