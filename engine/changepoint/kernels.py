"""The compiled arithmetic of the changepoint models.

In one file, constants included: the compiler's cache notices a change of the file that it compiled, and not of what that file imports.
"""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LARGEST = 1e100
"""Observations beyond it cannot be squared safely; they count as not observed."""

RECENT, EXPECTED, MAP, DROP = 0, 1, 2, 3
SUMMARIES = 4
MEAN, BETA, LOG_BETA = 0, 1, 2
P11, P12, P22, H1, H2 = 0, 1, 2, 3, 4


@njit(cache=True)
def standardise(
    x: Floats, square: Floats, weight: Floats, seen: Ints, keep: float, warmup: int, floor: float, out: Floats
) -> None:
    """Divide observations by the root mean square of those before them, then learn from them; see `CausalStandardiser`."""
    for n in range(len(x)):
        out[n] = np.nan
        if not abs(x[n]) < LARGEST:
            continue
        if seen[n] >= warmup:
            volatility = math.sqrt(square[n] / weight[n])
            if volatility > floor:
                out[n] = x[n] / volatility
        square[n] = keep * square[n] + (1.0 - keep) * x[n] ** 2
        weight[n] = keep * weight[n] + (1.0 - keep)
        seen[n] += 1


@njit(cache=True)
def tell(observed: Flags, told: Ints, summary: Floats, least: int, length_scale: float, said: Floats) -> None:
    """Count observations, and write recent change, log expected run, log drop and a 1 into (N, 4) `said`; zeros up to `least` of them."""
    for n in range(len(observed)):
        if observed[n]:
            told[n] += 1
        if told[n] > least:
            said[n, 0] = summary[RECENT, n]
            said[n, 1] = math.log1p(summary[EXPECTED, n]) / length_scale
            said[n, 2] = math.log1p(summary[DROP, n]) / length_scale
            said[n, 3] = 1.0
        else:
            said[n] = 0.0


@njit(cache=True)
def settle(
    log_mass: Floats,
    run: Ints,
    parameters: Floats,
    scratch: Floats,
    cells: int,
    seen: int,
    summary: Floats,
    settings: Floats,
) -> int:
    """Pass the message, normalise, thin out improbable run lengths and summarise; return the number of cells kept.

    Parameters
    ----------
    log_mass : float64 of shape (most_cells + 1,)
        Log probabilities of the first `cells` run lengths before the observation; overwritten.
    run : int64 of shape (most_cells + 1,)
        Run lengths, ascending; overwritten.
    parameters : float64 of shape (most_cells + 1, P)
        Already updated: row 0 is the prior, row i + 1 is what row i became.
    scratch : float64 of shape (most_cells + 1,)
        Log density of the observation under each cell before it was seen; overwritten.
    cells, seen
        Cells before the observation; observations including this one.
    summary : float64 of shape (4,)
        Probability of a recent change, expected run, most probable run, its drop; overwritten.
    settings : float64 of shape (4,)
        Of `RunLengthConfig.settings`.

    References
    ----------
    Adams & MacKay (2007), Bayesian Online Changepoint Detection, algorithm 1, steps 4 to 7.
    """
    hazard, recent_run, smallest_mass, most_cells = settings[0], settings[1], settings[2], int(settings[3])
    peak = -np.inf
    for i in range(cells):
        scratch[i] += log_mass[i]
        peak = max(peak, scratch[i])
    total = 0.0
    for i in range(cells):
        log_mass[i] = scratch[i] - peak
        scratch[i] = np.exp(log_mass[i])
        total += scratch[i]
    grown = (1.0 - hazard) / total
    log_grown = np.log(grown)
    for i in range(cells - 1, -1, -1):
        log_mass[i + 1] = log_mass[i] + log_grown
        scratch[i + 1] = scratch[i] * grown
        run[i + 1] = run[i] + 1
    log_mass[0], scratch[0], run[0] = np.log(hazard), hazard, 0
    cells += 1

    kept, kept_mass = 0, 0.0
    for i in range(cells):
        mass = scratch[i]
        if i > 0 and mass < smallest_mass:
            continue
        if kept != i:
            log_mass[kept], scratch[kept], run[kept] = log_mass[i], mass, run[i]
            parameters[kept] = parameters[i]
        kept_mass += mass
        kept += 1
    if kept > most_cells:
        least, heir, least_cost = 2, 1, np.inf
        for i in range(2, kept):
            below = run[i] - run[i - 1]
            above = run[i + 1] - run[i] if i + 1 < kept else below
            cost = scratch[i] * min(below, above) / run[i]
            if cost < least_cost:
                least, heir, least_cost = i, i - 1 if below <= above else i + 1, cost
        scratch[heir] += scratch[least]
        log_mass[heir] = np.log(scratch[heir])
        kept -= 1
        for i in range(least, kept):
            log_mass[i], scratch[i], run[i] = log_mass[i + 1], scratch[i + 1], run[i + 1]
            parameters[i] = parameters[i + 1]

    correction = np.log(kept_mass)
    recent, expected, best, best_mass = 0.0, 0.0, 0, -1.0
    for i in range(kept):
        log_mass[i] -= correction
        mass = scratch[i] / kept_mass
        expected += mass * run[i]
        if run[i] <= recent_run and run[i] < seen:
            recent += mass
        if mass > best_mass:
            best, best_mass = run[i], mass
    summary[DROP] = max(summary[MAP] + 1.0 - best, 0.0)
    summary[RECENT] = min(recent, 1.0)
    summary[EXPECTED] = expected
    summary[MAP] = best
    return kept


@njit(cache=True)
def normaliser(length: int, kappa: float, alpha: float, table: Floats) -> float:
    """Look up, or beyond the table expand ln Γ(α+½) - ln Γ(α) in powers of 1/α (error below 1e-19 there)."""
    if length < len(table):
        return table[length]
    gammas = 0.5 * np.log(alpha) - 1.0 / (8.0 * alpha) + 1.0 / (192.0 * alpha**3)
    return gammas - 0.5 * np.log1p(1.0 / kappa) - 0.5 * np.log(2.0 * np.pi)


@njit(cache=True)
def advance_normal(
    x: Floats,
    observed: Flags,
    cells: Ints,
    seen: Ints,
    run: Ints,
    log_mass: Floats,
    parameters: Floats,
    summary: Floats,
    scratch: Floats,
    prior: Floats,
    kappa_0: float,
    alpha_0: float,
    table: Floats,
    settings: Floats,
) -> None:
    """Advance every observed instrument by one observation.

    The Student-t density is the ratio of two marginal likelihoods, so that with β' the scale after the observation its log is
    α ln β - (α+½) ln β' plus a number that depends on the run length alone: one logarithm for each cell.
    """
    for n in range(len(x)):
        observed[n] = abs(x[n]) < LARGEST
        if not observed[n]:
            summary[DROP, n] = 0.0
            continue
        row = parameters[n]
        for i in range(cells[n] - 1, -1, -1):
            length = run[n, i]
            kappa, alpha = kappa_0 + length, alpha_0 + 0.5 * length
            distance = x[n] - row[i, MEAN]
            beta = row[i, BETA] + kappa * distance * distance / (2.0 * (kappa + 1.0))
            log_beta = np.log(beta)
            scratch[i] = normaliser(length, kappa, alpha, table) + alpha * row[i, LOG_BETA] - (alpha + 0.5) * log_beta
            row[i + 1, MEAN] = row[i, MEAN] + distance / (kappa + 1.0)
            row[i + 1, BETA] = beta
            row[i + 1, LOG_BETA] = log_beta
        row[0] = prior
        seen[n] += 1
        cells[n] = settle(log_mass[n], run[n], row, scratch, cells[n], seen[n], summary[:, n], settings)


@njit(cache=True)
def truncated_mean(p11: float, p12: float, p22: float, h1: float, h2: float) -> tuple[float, float]:
    """Return the mean of η ~ Normal(P⁻¹h, P⁻¹) given η₂ > 0.

    Only η₂ is truncated, so η₁ follows by regression: its slope on η₂ is -p12/p11.
    """
    determinant = p11 * p22 - p12 * p12
    mean_1 = (p22 * h1 - p12 * h2) / determinant
    mean_2 = (p11 * h2 - p12 * h1) / determinant
    spread = math.sqrt(p11 / determinant)
    a = mean_2 / spread
    if a > 8.0:
        lift = 0.0
    elif a > -8.0:
        density = math.exp(-0.5 * a * a) / math.sqrt(2.0 * math.pi)
        lift = spread * density / (0.5 * math.erfc(-a / math.sqrt(2.0)))
    else:
        lift = spread * (-a - 1.0 / a + 2.0 / a**3)
    return mean_1 - lift * p12 / p11, mean_2 + lift


@njit(cache=True)
def advance_score_matching(
    x: Floats,
    observed: Flags,
    cells: Ints,
    seen: Ints,
    run: Ints,
    log_mass: Floats,
    parameters: Floats,
    summary: Floats,
    scratch: Floats,
    prior: Floats,
    omega: float,
    scale: float,
    tail: float,
    constant: float,
    settings: Floats,
) -> None:
    """Advance every observed instrument by one observation, given relative to the centre."""
    for n in range(len(x)):
        observed[n] = abs(x[n]) < LARGEST
        if not observed[n]:
            summary[DROP, n] = 0.0
            continue
        row = parameters[n]
        value = x[n]
        weight = 1.0 / (1.0 + (value / scale) ** 2)
        slope = -2.0 * value / (scale * scale) * weight * weight
        for i in range(cells[n] - 1, -1, -1):
            eta_1, eta_2 = truncated_mean(row[i, P11], row[i, P12], row[i, P22], row[i, H1], row[i, H2])
            distance = value - eta_1 / eta_2
            scratch[i] = (
                constant + 0.5 * math.log(eta_2) - 0.5 * (tail + 1.0) * math.log1p(distance * distance * eta_2 / tail)
            )
            row[i + 1, P11] = row[i, P11] + 2.0 * omega * weight
            row[i + 1, P12] = row[i, P12] - 2.0 * omega * weight * value
            row[i + 1, P22] = row[i, P22] + 2.0 * omega * weight * value * value
            row[i + 1, H1] = row[i, H1] - 2.0 * omega * slope
            row[i + 1, H2] = row[i, H2] + 2.0 * omega * (slope * value + weight)
        row[0] = prior
        seen[n] += 1
        cells[n] = settle(log_mass[n], run[n], row, scratch, cells[n], seen[n], summary[:, n], settings)
