"""Who gets how much of the risk, and what crowding and doubt take away."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def risk_shares(correlation: Floats, cap: float) -> Floats:
    """Return each instrument's share of risk, so that a crowd counts once.

    The crowd of i is mᵢ = 1 + Σⱼ max(0, |ρᵢⱼ| - c)/(1 - c) over the others, and its share ∝ 1/mᵢ: m copies of one instrument
    get together what one gets, instruments below the cap are equal, and nothing jumps in between. Reasoned, not taken from
    a source: equal risk per instrument gives a bet that is listed five times five shares.

    >>> risk_shares(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), 0.6)
    array([0.25, 0.25, 0.5 ])
    """
    if cap >= 1.0:
        return np.full(len(correlation), 1.0 / len(correlation))
    excess = np.clip((np.abs(correlation) - cap) / (1.0 - cap), 0.0, 1.0)
    np.fill_diagonal(excess, 1.0)
    share = 1.0 / excess.sum(axis=1)
    return np.asarray(share / share.sum(), dtype=np.float64)


def diversification(correlation: Floats, shares: Floats, cap: float) -> tuple[float, float]:
    """Return the mean absolute correlation, weighted by shares of risk, and the factor that restrains size beyond the cap.

    With h = Σ bᵢ² a book of standardised bets b has the variance h + (1 - h)ρ̄. The factor is the root of that at c over that at ρ̄,
    at most 1: beyond the cap the book shrinks, because what diversification is left cannot be counted on to stay. Reasoned,
    not taken from a source.
    """
    concentration = float(shares @ shares)
    if len(shares) == 1:
        return 0.0, 1.0
    mean = float(shares @ np.abs(correlation) @ shares - concentration) / (1.0 - concentration)
    at_cap, at_mean = (concentration + (1.0 - concentration) * rho for rho in (cap, mean))
    return mean, min(1.0, float(np.sqrt(at_cap / at_mean)))


def inverse_volatility(volatility: Floats, target_volatility: float, most_gross: float) -> Floats:
    """Return weights that meet the target if all correlations were 1: wᵢ = target/(N σᵢ), of a sum of at most `most_gross`.

    Parameters
    ----------
    volatility : float64 of shape (N,)
        Positive, in the unit of the target.
    """
    weights = target_volatility / (len(volatility) * volatility)
    return np.asarray(weights * min(1.0, most_gross / float(weights.sum())), dtype=np.float64)
