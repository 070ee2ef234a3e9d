"""A batch of independent changepoint models: shapes, missing observations, saved state."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.changepoint.estimate import ChangeEstimate
from engine.changepoint.kernels import DROP, EXPECTED, MAP, RECENT, SUMMARIES, Flags
from engine.changepoint.run_lengths import RunLengthConfig
from engine.contract.errors import ConfigError, DataError, broken

Floats = npt.NDArray[np.float64]


class Detector(ABC):
    """One run-length belief per instrument; instruments do not see each other.

    Parameters
    ----------
    instruments
        Number of instruments N, at least 1.
    prior : float64 of shape (P,)
        Parameters of a run that has seen nothing.
    config
        How run lengths are believed and kept.
    """

    def __init__(self, instruments: int, prior: Floats, config: RunLengthConfig) -> None:
        if instruments < 1:
            raise ConfigError(broken("instruments", "be 1 or more", instruments))
        room = config.most_cells + 1
        self.config = config
        self._prior = prior
        self._settings = config.settings()
        self._cells = np.ones(instruments, dtype=np.int64)
        self._seen = np.zeros(instruments, dtype=np.int64)
        self._run = np.zeros((instruments, room), dtype=np.int64)
        self._log_mass = np.full((instruments, room), -np.inf)
        self._log_mass[:, 0] = 0.0
        self._parameters = np.zeros((instruments, room, len(prior)))
        self._parameters[:, 0] = prior
        self._summary = np.zeros((SUMMARIES, instruments))
        self._observed: Flags = np.zeros(instruments, dtype=np.bool_)
        self._scratch = np.empty(room)

    @abstractmethod
    def _advance(self, x: Floats) -> None:
        """Take in the observations that are there; note which were."""

    def update(self, x: Floats) -> ChangeEstimate:
        """Take in one observation per instrument.

        Parameters
        ----------
        x : float64 of shape (N,)
            Observations, best standardised; one that is not a number, infinite or beyond 1e100 is not observed: the
            belief of its instrument stays.

        Raises
        ------
        DataError
            The shape is another.
        """
        self.learn(x)
        summary = self._summary.copy()
        return ChangeEstimate(summary[RECENT], summary[EXPECTED], summary[MAP], summary[DROP], self._observed.copy())

    def learn(self, x: Floats) -> tuple[Floats, Flags]:
        """Take in observations as `update` does; return its own summary, float64 (4, N), and which were observed: no copies."""
        x = np.ascontiguousarray(x, dtype=np.float64)
        if x.shape != self._cells.shape:
            raise DataError(broken("observations", f"have the shape {self._cells.shape}", x.shape))
        self._advance(x)
        return self._summary, self._observed

    def run_lengths(self, instrument: int) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return the run lengths that one instrument keeps, ascending, and their probabilities, which sum to 1."""
        cells = self._cells[instrument]
        return self._run[instrument, :cells].copy(), np.exp(self._log_mass[instrument, :cells])

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, as arrays by name; only the cells in use."""
        most = int(self._cells.max())
        return {
            "cells": self._cells.copy(),
            "seen": self._seen.copy(),
            "run": self._run[:, :most].copy(),
            "log_mass": self._log_mass[:, :most].copy(),
            "parameters": self._parameters[:, :most].copy(),
            "summary": self._summary.copy(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next update gives the same bits as without the interruption.

        Raises
        ------
        DataError
            The state is of another number of instruments, of another model, or has more cells than are kept here.
        """
        instruments, room, width = self._parameters.shape
        parameters = np.asarray(state["parameters"], dtype=np.float64)
        most = parameters.shape[1] if parameters.ndim == 3 else room + 1
        if parameters.shape != (instruments, most, width) or most > room:
            rule = f"have the shape ({instruments}, at most {room}, {width})"
            raise DataError(broken("changepoint state", rule, parameters.shape, "parameters", "restore its own state"))
        self._cells[:] = state["cells"]
        self._seen[:] = state["seen"]
        self._summary[:] = state["summary"]
        self._run[:, :most] = state["run"]
        self._log_mass[:, :most] = state["log_mass"]
        self._parameters[:, :most] = parameters
