"""From an exposure that is wanted to the one that is sought: a band around it in which nothing is traded.

With costs in proportion to what is traded, the best of all ways to follow a target is to let a position be while it is near, and to move it
to the edge of the band when it is not (Davis & Norman, "Portfolio Selection with Transaction Costs", 1990).

A continuous answer does not name an exposure: it moves towards a side in proportion to the free part of the budget, or out of the
position in proportion to the position (`engine.contract.action.target_exposure`). A policy that knows what it holds can invert that, and
`answer` does: the exposure that its answer leads to is the one that is sought, a flip through zero taking two decisions.
"""

from typing import Any, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from engine.contract.migration import continuous_answer

Floats = NDArray[np.float64]

NEAREST_ONE = 1.0 - 2.0**-23
"""Largest answer in float32 whose inverse tanh is finite, nearly."""


def sought(wanted: Tensor, band: Tensor, exposure: Tensor, short: bool) -> Tensor:
    """Move an exposure to the nearer edge of the band around the wanted one, if it lies outside; through zero in two decisions.

    Parameters
    ----------
    wanted, exposure : tensor (...), signed fractions of the budget
    band : tensor ()
        Half its width.
    short
        Whether wanted exposures below zero are; else they are 0.
    """
    wanted = wanted if short else wanted.clamp(min=0.0)
    target = torch.maximum(torch.minimum(exposure, wanted + band), wanted - band)
    return torch.where(target * exposure < 0.0, 0.0 * exposure, target)


def answer(wanted: Tensor, band: Tensor, exposure: Tensor, short: bool) -> Tensor:
    """Return the continuous answer, before its tanh, that leads to what is sought; exactly 0 where nothing is."""
    moved = continuous_answer(sought(wanted, band, exposure, short), exposure)
    return torch.atanh(moved.clamp(-NEAREST_ONE, NEAREST_ONE))


class Followed(torch.autograd.Function):
    """The exposures that come of following wanted ones from turn to turn, with the gradient through all of them."""

    @staticmethod
    def forward(ctx: Any, wanted: Tensor, band: Tensor, hears: Tensor) -> Tensor:
        """Follow; see `followed`."""
        held, edge = _follow(wanted.detach().double().cpu().numpy(), float(band), hears.cpu().numpy())
        ctx.edge, ctx.kind = edge, wanted.dtype
        return torch.from_numpy(held).to(wanted)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        """Pass the gradient to where an edge of the band moved the exposure."""
        (gradient,) = gradients
        to_wanted, to_band = _follow_back(gradient.double().cpu().numpy(), ctx.edge)
        return torch.from_numpy(to_wanted).to(gradient), torch.tensor(to_band).to(gradient), None


def followed(wanted: Tensor, band: Tensor, hears: Tensor) -> Tensor:
    """Follow wanted exposures as `sought` does, one turn after the other.

    Parameters
    ----------
    wanted : tensor (n, L)
        n stretches of L turns; the first turn begins at what is wanted there.
    band : tensor ()
    hears : bool (n, L)
        Where a decision is made; elsewhere the exposure stays.

    Returns
    -------
    tensor (n, L), held from each turn to the next. Drift between decisions is left out.
    """
    return cast(Tensor, Followed.apply(wanted, band, hears))


@njit(cache=True)
def _follow(wanted: Floats, band: float, hears: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.int8]]:
    held, edge = np.empty_like(wanted), np.zeros(wanted.shape, dtype=np.int8)
    for row in range(wanted.shape[0]):
        now = wanted[row, 0]
        edge[row, 0] = 3
        for t in range(wanted.shape[1]):
            if t > 0 and hears[row, t]:
                target = now
                if now > wanted[row, t] + band:
                    target, edge[row, t] = wanted[row, t] + band, 1
                elif now < wanted[row, t] - band:
                    target, edge[row, t] = wanted[row, t] - band, -1
                if target * now < 0.0:
                    target, edge[row, t] = 0.0, 2
                now = target
            held[row, t] = now
    return held, edge


@njit(cache=True)
def _follow_back(gradient: Floats, edge: NDArray[np.int8]) -> tuple[Floats, float]:
    to_wanted, to_band = np.zeros_like(gradient), 0.0
    for row in range(gradient.shape[0]):
        carried = 0.0
        for t in range(gradient.shape[1] - 1, -1, -1):
            carried += gradient[row, t]
            if edge[row, t] == 0:
                continue
            if edge[row, t] != 2:
                to_wanted[row, t] = carried
                to_band += carried if edge[row, t] == 1 else (-carried if edge[row, t] == -1 else 0.0)
            carried = 0.0
    return to_wanted, to_band
