"""Bayesian online changepoint detection with a Student-t predictive, in log space, pruned, for many instruments at once."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from engine.changepoint.detector import Detector
from engine.changepoint.kernels import advance_normal
from engine.changepoint.run_lengths import RunLengthConfig
from engine.contract.errors import ConfigError, broken

Floats = npt.NDArray[np.float64]

TABLE_RUNS = 4096


@dataclass(frozen=True, slots=True)
class NormalInverseGamma:
    """Prior of the mean and the variance of a run: σ² ~ InvGamma(α, β), μ | σ² ~ Normal(mean, σ²/κ).

    Attributes
    ----------
    mean, kappa
        Where the mean is expected, and what that is worth in observations.
    alpha, beta
        Shape and scale; 2α observations' worth, of variance about β/α. The defaults suit standardised observations.
    """

    mean: float = 0.0
    kappa: float = 1.0
    alpha: float = 1.0
    beta: float = 1.0

    def __post_init__(self) -> None:
        for name in ("kappa", "alpha", "beta"):
            if not 0.0 < getattr(self, name) < np.inf:
                raise ConfigError(broken(name, "be more than 0 and finite", getattr(self, name), "prior"))
        if not np.isfinite(self.mean):
            raise ConfigError(broken("mean", "be finite", self.mean, "prior"))


class Bocd(Detector):
    """Bayesian online changepoint detection, normal data of unknown mean and variance.

    Not a detector of trends or of cycles: within a run observations are exchangeable. P(run length = 0) is not handed on,
    because with a constant hazard it equals the hazard whatever was observed.

    Parameters
    ----------
    instruments
        Number of instruments N.
    prior
        Of mean and variance; the same for all instruments.
    config
        How run lengths are believed and kept.

    References
    ----------
    Adams & MacKay (2007), Bayesian Online Changepoint Detection, algorithm 1. Murphy (2007), Conjugate Bayesian analysis of
    the Gaussian distribution. Fearnhead & Liu (2007) for dropping improbable run lengths.

    **Departure**: run lengths below `smallest_mass` are dropped and the rest renormalised. Where more than `most_cells` are
    left, one gives its mass to the nearest run length: that with the least mass times relative difference in length.
    """

    def __init__(
        self,
        instruments: int,
        prior: NormalInverseGamma | None = None,
        config: RunLengthConfig | None = None,
    ) -> None:
        prior = prior if prior is not None else NormalInverseGamma()
        config = config if config is not None else RunLengthConfig()
        super().__init__(instruments, np.array([prior.mean, prior.beta, np.log(prior.beta)]), config)
        self.prior = prior
        self._table = normalisers(prior, TABLE_RUNS)

    def _advance(self, x: Floats) -> None:
        advance_normal(
            x,
            self._observed,
            self._cells,
            self._seen,
            self._run,
            self._log_mass,
            self._parameters,
            self._summary,
            self._scratch,
            self._prior,
            self.prior.kappa,
            self.prior.alpha,
            self._table,
            self._settings,
        )


def normalisers(prior: NormalInverseGamma, runs: int) -> Floats:
    """What the log predictive of a run has that depends on its length alone: ln Γ(α+½) - ln Γ(α) - ½ ln((κ+1)/κ · 2π)."""
    length = np.arange(runs, dtype=np.float64)
    alpha, kappa = prior.alpha + length / 2.0, prior.kappa + length
    return np.asarray(
        gammaln(alpha + 0.5) - gammaln(alpha) - 0.5 * np.log1p(1.0 / kappa) - 0.5 * np.log(2.0 * np.pi),
        dtype=np.float64,
    )
