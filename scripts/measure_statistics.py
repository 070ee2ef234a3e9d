"""Measure the figures of docs/explanation/statistics.md: coverage, PBO on noise and with a winner, p-values without skill."""

import numpy as np
from scipy import stats

from engine.evaluation.chance import chance
from engine.evaluation.overfitting import overfitting
from engine.evaluation.sharpe import estimate


def autoregressive(generator: np.random.Generator, shape: tuple[int, int], rho: float) -> np.ndarray:
    """Return series of unit variance and autocorrelation `rho`, float64 (series, T)."""
    noise = generator.normal(size=shape)
    path = np.empty(shape)
    path[:, 0] = noise[:, 0] / np.sqrt(1 - rho**2)
    for t in range(1, shape[1]):
        path[:, t] = rho * path[:, t - 1] + noise[:, t]
    return path * np.sqrt(1 - rho**2)


def coverage(count: int = 1_000) -> None:
    """Print how often 95 % intervals hold the true Sharpe ratio."""
    generator = np.random.default_rng(11)
    for rho, periods in ((-0.2, 2_000), (0.0, 250), (0.2, 2_000), (0.4, 250), (0.4, 2_000)):
        paths = autoregressive(generator, (count, periods), rho) + 0.05
        held = []
        for lags in (0, "automatic"):
            bounds = [estimate(path, 1.0, lags=lags).interval_annualised() for path in paths]
            held.append(np.mean([low < 0.05 < high for low, high in bounds]))
        print(f"coverage, autocorrelation {rho:+.1f}, T {periods}: without lags {held[0]:.3f}, with lags {held[1]:.3f}")


def choosing() -> None:
    """Print PBO on noise and with a planted winner."""
    generator = np.random.default_rng(12)
    noise = np.array([overfitting(generator.normal(size=(240, 20)), blocks=8).probability for _ in range(1_000)])
    print(
        f"PBO on noise: mean {noise.mean():.3f}, deviation {noise.std():.3f}, below 0.1 in {(noise < 0.1).mean():.3f}"
    )
    for edge in (0.05, 0.1, 0.2):
        found = []
        for _ in range(100):
            returns = generator.normal(size=(1_000, 30))
            returns[:, 7] += edge
            found.append(overfitting(returns, blocks=10).probability)
        print(f"PBO with one winner of {edge} a period: {np.mean(found):.3f}")


def long_flat(generator: np.random.Generator, returns: np.ndarray) -> np.ndarray:
    """Return exposures 0 and 1 by coin tosses."""
    state, path = 0.0, np.empty(len(returns))
    for t, coin in enumerate(generator.random(len(returns))):
        state = (1.0 if coin < 0.05 else 0.0) if state == 0.0 else (0.0 if coin < 0.08 else 1.0)
        path[t] = state
    return path


def seven_levels(generator: np.random.Generator, returns: np.ndarray) -> np.ndarray:
    """Return slow exposures of seven levels, mostly long."""
    slow = autoregressive(generator, (1, len(returns)), 0.95)[0]
    return np.round(np.clip(0.5 + 0.5 * slow, -1, 1) * 3) / 3


def follows(_: np.random.Generator, returns: np.ndarray) -> np.ndarray:
    """Return the sign of the sum of the last 24 returns: a rule that knows the past, on returns that do not depend on it."""
    return np.concatenate([[0.0], np.sign(np.convolve(returns, np.ones(24))[: len(returns) - 1])])


def skill(count: int = 1_500, bars: int = 1_000) -> None:
    """Print how uniform the p-values of policies without skill are."""
    ways = {"shift": {}, "shift by one bar or more": {"apart_bars": 1}, "chain": {"method": "chain"}}
    for kind, drift in ((long_flat, 0.002), (seven_levels, 0.002), (follows, 0.0)):
        for way, chosen in ways.items():
            generator, found = np.random.default_rng(100), []
            for seed in range(count):
                returns = generator.standard_t(4, bars) * 0.01 + drift
                exposure = kind(generator, returns)
                found.append(chance(exposure, returns, cost_bps=6.0, policies=199, seed=seed, **chosen).p_value)
            below = [np.mean(np.array(found) <= level) for level in (0.01, 0.05)]
            uniform = stats.kstest(found, "uniform").pvalue
            print(f"{kind.__name__}, {way}: p <= 0.01 in {below[0]:.3f}, <= 0.05 in {below[1]:.3f}; KS p {uniform:.2g}")


if __name__ == "__main__":
    coverage()
    choosing()
    skill()
