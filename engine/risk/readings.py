"""What the market itself tells the breaker: the correlation of the book, and the spreads of the quotes."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.errors import DataError, broken
from engine.risk.breaker_measures import correlation_exposure
from engine.risk.covariance import OnlineCovariance

STATE_VERSION = 1
QUOTE_LIFE_BARS = 1.0
"""A quote that is older than so many bars says nothing about the spread now."""

Floats = NDArray[np.float64]


class MarketReadings:
    """Follows the closes and the quotes of all instruments, in event time.

    Parameters
    ----------
    instruments
        Number of instruments N.
    bar_ns
        Length of a bar, nanoseconds.
    half_life
        Returns after which one counts half in the correlations.
    observations
        Returns that every instrument held must have before their correlation counts as known.

    Notes
    -----
    The correlations are not shrunk: with few returns they are unknown, rather than small. A return is known only between the closes of
    two turns in a row; one over a gap is missing.
    """

    def __init__(self, instruments: int, bar_ns: int, half_life: float, observations: int) -> None:
        self._bar_ns = bar_ns
        self._least = observations
        self._covariance = OnlineCovariance(instruments, half_life, "none") if instruments > 1 else None
        self._ts = -1
        self._close = [math.nan] * instruments
        self._spread_bps: Floats = np.full(instruments, np.nan)
        self._quoted_ns = np.full(instruments, -1, dtype=np.int64)

    def hear_closes(self, ts_event: int, closes: Sequence[float | None]) -> None:
        """Take in one turn; a second call for the same turn changes nothing.

        Parameters
        ----------
        ts_event
            Event time of the turn, UTC ns.
        closes
            One per instrument, quote; None where its bar did not come.
        """
        if self._covariance is None or ts_event <= self._ts:
            return
        self._ts = ts_event
        before, self._close = self._close, [math.nan if one is None else one for one in closes]
        returns = [
            math.log(now / then) if now > 0.0 and then > 0.0 else math.nan for now, then in zip(self._close, before)
        ]
        self._covariance.update(np.array(returns))

    def hear_quote(self, index: int, ts_event: int, bid: float, ask: float) -> None:
        """Take in a measured quote of one instrument; a crossed one, or one without a price, makes its spread unknown."""
        known = 0.0 < bid <= ask
        self._spread_bps[index] = (ask - bid) / (0.5 * (bid + ask)) * 1e4 if known else math.nan
        self._quoted_ns[index] = ts_event

    def correlation(self, notional: Floats) -> float | None:
        """Return the correlation exposure of a book; None where the correlation of two positions in it is not known yet.

        Parameters
        ----------
        notional : float64 (N,), signed value of the positions, quote

        Returns
        -------
        See `engine.risk.breaker_measures.correlation_exposure`; 0 with fewer than two positions.

        **Known at**: the last close heard.
        """
        if self._covariance is None or np.count_nonzero(notional) < 2:
            return 0.0
        estimate = self._covariance.estimate()
        matrix, observations = estimate.matrix, estimate.observations
        if not notional.all():
            held = np.flatnonzero(notional)
            notional, matrix, observations = notional[held], matrix[held][:, held], observations[held]
        variance = matrix.diagonal()
        if observations.min() < self._least or not variance.min() > 0.0:
            return None
        return correlation_exposure(notional, matrix / np.sqrt(np.outer(variance, variance)))

    def spread_bps(self, ts_event: int) -> tuple[float, ...] | None:
        """Return the spread over the mid of each instrument's last quote; NaN where it is not known, None where none is.

        **Known at**: the last quote at or before `ts_event`; one older than `QUOTE_LIFE_BARS` counts as unknown.
        """
        fresh = (self._quoted_ns >= 0) & (ts_event - self._quoted_ns <= QUOTE_LIFE_BARS * self._bar_ns)
        if not fresh.any():
            return None
        return tuple(np.where(fresh, self._spread_bps, np.nan).tolist())

    def state(self) -> dict[str, Any]:
        """Return everything that `restore` needs; `engine.journal.state` writes it."""
        return {
            "version": STATE_VERSION,
            "ts_event": self._ts,
            "close": list(self._close),
            "spread_bps": self._spread_bps.copy(),
            "quoted_ns": self._quoted_ns.copy(),
            "covariance": None if self._covariance is None else self._covariance.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the next readings have the same bits as without the interruption.

        Raises
        ------
        DataError
            The state is of another version, or of another number of instruments.
        """
        if state.get("version") != STATE_VERSION:
            raise DataError(broken("market readings state version", f"be {STATE_VERSION}", state.get("version")))
        close = [float(one) for one in state["close"]]
        if len(close) != len(self._close):
            raise DataError(broken("market readings state", f"be of {len(self._close)} instruments", len(close)))
        self._ts, self._close = state["ts_event"], close
        self._spread_bps = np.array(state["spread_bps"], dtype=np.float64)
        self._quoted_ns = np.array(state["quoted_ns"], dtype=np.int64)
        if self._covariance is not None:
            self._covariance.restore(state["covariance"])
