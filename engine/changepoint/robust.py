"""Changepoint detection that single outliers do not set off: runs are learnt by diffusion score matching, not by likelihood."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.changepoint.detector import Detector
from engine.changepoint.kernels import advance_score_matching
from engine.changepoint.run_lengths import RunLengthConfig
from engine.contract.errors import ConfigError, broken

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreMatchingPrior:
    """Prior of the natural parameters η = (μ/σ², 1/σ²) of a run, and how observations teach.

    Attributes
    ----------
    eta_mean : tuple of 2 floats
        Expected η; the default, (0, 1), suits standardised observations.
    eta_sd : tuple of 2 floats
        Standard deviations of η, independent beforehand; η₂ is truncated to be positive.
    learning_rate : float
        ω of the paper: what one observation is worth. At 0.75, standard normal observations teach
        about a mean as fast as a likelihood would.
    scale : float
        c: an observation at distance d from the centre weighs m² = 1/(1 + (d/c)²); in units of the observations.
    centre : float
        Where the weight is largest.
    tail : float
        Degrees of freedom of the predictive, more than 2 and finite.
    """

    eta_mean: tuple[float, float] = (0.0, 1.0)
    eta_sd: tuple[float, float] = (1.0, 1.0)
    learning_rate: float = 0.75
    scale: float = 1.0
    centre: float = 0.0
    tail: float = 5.0

    def __post_init__(self) -> None:
        for name in ("learning_rate", "scale"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ConfigError(broken(name, "be more than 0 and finite", getattr(self, name), "prior"))
        if not min(self.eta_sd) > 0.0:
            raise ConfigError(broken("eta_sd", "be more than 0", self.eta_sd, "prior"))
        if not self.eta_mean[1] > 0.0:
            raise ConfigError(broken("eta_mean", "have a positive precision", self.eta_mean, "prior"))
        if not 2.0 < self.tail < np.inf:
            raise ConfigError(broken("tail", "be more than 2 and finite", self.tail, "prior"))


class RobustBocd(Detector):
    """Changepoint detection by diffusion score matching, normal data of unknown mean and variance.

    The posterior of η within a run is a normal distribution truncated to η₂ > 0. An observation x adds 2ω m²(x)·r'(x)r'(x)ᵀ
    to its precision and -2ω·(m²(x)r'(x))' to precision times mean, where r(x) = (x, -x²/2). Far away m² r' and its
    derivative stay bounded, so an outlier moves the posterior little.

    Parameters
    ----------
    instruments
        Number of instruments N.
    prior
        Of the natural parameters; the same for all instruments.
    config
        How run lengths are believed and kept.

    References
    ----------
    Altamirano, Briol & Knoblauch (2023), Robust and Scalable Bayesian Online Changepoint Detection, ICML: the conjugate
    posterior of an exponential family, with the inverse multi-quadric weight of their examples.

    **Departure**: the predictive is a Student-t with fixed degrees of freedom, at the mean of the truncated posterior. The
    paper integrates by sampling; its code also offers a Student-t whose degrees grow with the run, which makes long runs
    light-tailed again.
    """

    def __init__(
        self,
        instruments: int,
        prior: ScoreMatchingPrior | None = None,
        config: RunLengthConfig | None = None,
    ) -> None:
        prior = prior if prior is not None else ScoreMatchingPrior()
        config = config if config is not None else RunLengthConfig()
        p1, p2 = 1.0 / prior.eta_sd[0] ** 2, 1.0 / prior.eta_sd[1] ** 2
        super().__init__(instruments, np.array([p1, 0.0, p2, p1 * prior.eta_mean[0], p2 * prior.eta_mean[1]]), config)
        self.prior = prior
        tail = prior.tail
        self._constant = math.lgamma((tail + 1.0) / 2.0) - math.lgamma(tail / 2.0) - 0.5 * math.log(math.pi * tail)

    def _advance(self, x: Floats) -> None:
        advance_score_matching(
            x - self.prior.centre if self.prior.centre else x,
            self._observed,
            self._cells,
            self._seen,
            self._run,
            self._log_mass,
            self._parameters,
            self._summary,
            self._scratch,
            self._prior,
            self.prior.learning_rate,
            self.prior.scale,
            self.prior.tail,
            self._constant,
            self._settings,
        )
