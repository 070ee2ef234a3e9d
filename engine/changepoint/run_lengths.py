"""How long runs are expected to be, and how many lengths are kept in mind."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.contract.errors import ConfigError, broken

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLengthConfig:
    """How run lengths are believed and kept.

    Attributes
    ----------
    mean_run : float
        Observations between changes expected beforehand, λ > 1; the hazard is 1/λ at every observation.
    recent_run : int
        A change counts as recent while the run that it began is at most this long: k, observations.
    smallest_mass : float
        Run lengths of less probability are dropped after each observation; 0 keeps all.
    most_cells : int
        At most so many run lengths are kept, 3 or more; then the one whose mass matters least is merged into its nearest neighbour.
    """

    mean_run: float = 250.0
    recent_run: int = 24
    smallest_mass: float = 1e-6
    most_cells: int = 150

    def __post_init__(self) -> None:
        if not self.mean_run > 1.0:
            raise ConfigError(broken("mean_run", "be more than 1", self.mean_run))
        if self.recent_run < 1:
            raise ConfigError(broken("recent_run", "be 1 or more", self.recent_run))
        if not 0.0 <= self.smallest_mass < 1.0 / self.mean_run:
            rule = f"be from 0 to below the hazard {1.0 / self.mean_run:.4g}"
            raise ConfigError(broken("smallest_mass", rule, self.smallest_mass))
        if self.most_cells < 3:
            raise ConfigError(broken("most_cells", "be 3 or more", self.most_cells))

    def settings(self) -> Floats:
        """Return hazard, recent run, smallest mass and most cells, as the kernels take them."""
        return np.array([1.0 / self.mean_run, self.recent_run, self.smallest_mass, self.most_cells])
