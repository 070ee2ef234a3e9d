"""Exposures learned by gradient ascent on the Sharpe ratio after costs, without reinforcement.

Moody, Wu, Liao & Saffell, "Performance Functions and Reinforcement Learning for Trading Systems and Portfolios" (1998), and Lim, Zohren &
Roberts, "Enhancing Time-Series Momentum Strategies Using Deep Neural Networks" (2019), equation 11: the Sharpe ratio of what a network's
positions earn is itself differentiable. The loss is minus that ratio, of stretches of `episode_bars` turns; the position is followed
through each of them with its costs, and the gradient goes through it (`models.exposure.followed`). Half the width of the band in which
nothing is traded is learned with the weights.

Departure: a stretch begins at the exposure that is wanted there, at no cost. The critic, which the method does not need, is fitted to what
the next bar adds to what is held, in units of its volatility; it gives the graph its value.
"""

import torch
from torch import Tensor

from models.algorithms.foreseen import Foreseen, sharpe
from models.exposure import followed


class DirectSharpe(Foreseen):
    """See `Foreseen` for the parameters."""

    def finish(self) -> None:
        """Do nothing: the band was learned with the weights."""

    def loss(self, decisions: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw stretches, follow what is wanted, and return minus their Sharpe ratio."""
        turns, instruments = self.table.row.shape
        length = min(self.training.episode_bars, turns)
        stretches = max(2, decisions // (length * instruments))
        device = self.market.device
        begin = torch.randint(turns - length + 1, (stretches,), generator=self.generator, device=device)
        part = self.table.part((begin[:, None] + torch.arange(length, device=device)).flatten())
        said, value = self.outputs(part)
        wanted = self.wanted(said, part)
        shape = (stretches, length, instruments)
        # Numba follows one row per stretch and instrument.
        rows = wanted.view(shape).transpose(1, 2).reshape(-1, length)
        hears = part.hears.view(shape).transpose(1, 2).reshape(-1, length)
        held = followed(rows, self.graph.trunk.band, hears).view(stretches, instruments, length).transpose(1, 2)
        net = self.net(held, type(part)(*(column.view(*shape, *column.shape[2:]) for column in part)))
        gained = held.detach().reshape(-1, instruments) * part.earned / part.volatility
        critic = torch.nn.functional.huber_loss(value, gained.float())
        return -sharpe(net), critic, net
