"""What a changepoint update costs, beside the textbook recursion and published implementations."""

import importlib
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp

from engine.changepoint.bocd import Bocd, NormalInverseGamma
from engine.changepoint.robust import RobustBocd
from engine.changepoint.run_lengths import RunLengthConfig

Floats = npt.NDArray[np.float64]

BATCH = 143
PUBLISHED = {"changepoint": "changepoint (Rust)", "bocd": "bocd (Python)"}


class Timing(NamedTuple):
    """One line of the benchmark.

    Attributes
    ----------
    name
        What was timed.
    value
        Microseconds; NaN where it could not be run.
    unit
        `us/update`: per observation of one instrument.
    baseline
        Name of the line it is compared with.
    ratio
        Value over the baseline's value; NaN where either is missing.
    n
        Observations timed; 0 where it could not be run.
    """

    name: str
    value: float
    unit: str
    baseline: str
    ratio: float
    n: int


def measure(
    observations: int = 2000, textbook_observations: int = 600, seed: int = 0, repeats: int = 3
) -> list[Timing]:
    """Time updates on standardised Student-t data of 5 degrees of freedom, one process, one thread; the best of the repeats.

    Parameters
    ----------
    observations
        Observations of one instrument, for ours and the published.
    textbook_observations
        For the textbook recursion, whose cost grows with their number, and for a published one that grows likewise.
    seed, repeats
        Of the data; of each timing.

    Returns
    -------
    list of Timing
        Ours for 1 and for 143 instruments, the textbook, the published; those that are not installed have NaN and n = 0.
    """
    x = np.random.default_rng(seed).standard_t(5.0, size=(observations, BATCH)) / np.sqrt(5.0 / 3.0)
    batch = max(observations // 4, 2)
    for model in (Bocd, RobustBocd):
        model(1).update(x[0, :1])
    ours = "bocd, 1 instrument"
    timed: list[tuple[str, float, int]] = []
    models: tuple[tuple[str, type[Bocd | RobustBocd]], ...] = (("bocd", Bocd), ("robust", RobustBocd))
    for label, model in models:
        for instruments, rows in ((1, observations), (BATCH, batch)):
            values = x[:rows, :instruments].copy()
            secs = _best(partial(_feed_new, partial(model, instruments), values), repeats)
            timed.append(
                (
                    f"{label}, {instruments} instrument{'s' * (instruments > 1)}",
                    secs / rows / instruments,
                    rows * instruments,
                )
            )
    short = x[:textbook_observations, 0]
    timed.append(("textbook recursion", _best(lambda: textbook(short, 250.0), 1) / len(short), len(short)))
    for package, label in PUBLISHED.items():
        update, rows = _published(package), (textbook_observations if package == "bocd" else observations)
        if update is None:
            timed.append((f"{label}, not installed", np.nan, 0))
        else:
            secs = _best(partial(_feed, update(), x[:rows, 0].tolist()), 1)
            timed.append((label, secs / rows, rows))
    reference = next(secs for name, secs, _ in timed if name == ours)
    return [Timing(name, secs * 1e6, "us/update", ours, secs / reference, n) for name, secs, n in timed]


def textbook(x: Floats, mean_run: float, prior: NormalInverseGamma | None = None) -> Floats:
    """Run the recursion as the paper prints it: all run lengths kept, every density evaluated anew; O(t²).

    Parameters
    ----------
    x : float64 of shape (T,)
        Observations.
    mean_run
        λ; the hazard is 1/λ.
    prior
        Of mean and variance.

    Returns
    -------
    float64 of shape (T, T + 1)
        P(run length = r | first t + 1 observations) in row t, column r.

    References
    ----------
    Adams & MacKay (2007), algorithm 1.
    """
    prior = prior if prior is not None else NormalInverseGamma()
    mass = np.zeros((len(x), len(x) + 1))
    log_joint = np.zeros(1)
    mean, kappa, alpha, beta = (np.array([value]) for value in (prior.mean, prior.kappa, prior.alpha, prior.beta))
    for t, value in enumerate(x):
        square = beta * (kappa + 1.0) / (alpha * kappa)
        log_density = (
            gammaln(alpha + 0.5)
            - gammaln(alpha)
            - 0.5 * np.log(2.0 * np.pi * alpha * square)
            - (alpha + 0.5) * np.log1p((value - mean) ** 2 / (2.0 * alpha * square))
        )
        joint = log_joint + log_density
        log_joint = np.append(logsumexp(joint) + np.log(1.0 / mean_run), joint + np.log1p(-1.0 / mean_run))
        log_joint -= logsumexp(log_joint)
        mass[t, : t + 2] = np.exp(log_joint)
        mean, kappa, alpha, beta = (
            np.append(prior.mean, (kappa * mean + value) / (kappa + 1.0)),
            np.append(prior.kappa, kappa + 1.0),
            np.append(prior.alpha, alpha + 0.5),
            np.append(prior.beta, beta + kappa * (value - mean) ** 2 / (2.0 * (kappa + 1.0))),
        )
    return mass


def _best(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest of several durations, seconds."""
    durations = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        durations.append(time.perf_counter() - begin)
    return min(durations)


def _feed(update: Callable[[Any], object], values: Iterable[Any]) -> None:
    """Call an update with every value."""
    for value in values:
        update(value)


def _feed_new(make: Callable[[], Bocd | RobustBocd], values: Floats) -> None:
    """Make a detector and give it every row."""
    _feed(make().update, values)


def _published(package: str) -> Callable[[], Callable[[float], object]] | None:
    """Return what makes the update of a published implementation; None where it is not installed."""
    try:
        module = importlib.import_module(package)
    except ImportError:
        return None
    mean_run = RunLengthConfig().mean_run
    if package == "changepoint":
        return lambda: module.Bocpd(module.NormalGamma(0.0, 1.0, 2.0, 2.0), mean_run).step
    return lambda: (
        module.BayesianOnlineChangePointDetection(
            module.ConstantHazard(mean_run), module.StudentT(mu=0.0, kappa=1.0, alpha=1.0, beta=1.0)
        ).update
    )
