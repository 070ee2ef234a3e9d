"""A forecast of the next bar's return in units of its volatility, and the exposure that follows from it.

The forecast is a regression with the Huber loss on four fifths of the training span. The last fifth, a window and a bar later, decides how
a forecast becomes an exposure: tanh(gain * forecast), followed with a band in which nothing is traded. Of a few gains and bands the pair
with the largest Sharpe ratio after costs there is taken, anew after every iteration; the validation span has no part in it.

The critic, which a regression does not need, is fitted to what the next bar adds to what is wanted, in units of its volatility; it gives
the graph its value.
"""

import itertools

import torch
from torch import Tensor
from torch.nn import functional

from engine.contract.config import Training
from models.algorithms.foreseen import Foreseen, sharpe
from models.features import window
from models.market import Market
from models.networks import PolicyGraph

FITTED_FRAC = 0.8
GAINS = (0.5, 1.0, 2.0)
"""Times the forecast over its own root mean square."""

BANDS = (0.05, 0.1, 0.2, 0.4)
LARGEST = 5.0
"""Returns are clipped at so many volatilities."""


class Supervised(Foreseen):
    """See `Foreseen` for the parameters."""

    def __init__(self, graph: PolicyGraph, market: Market, training: Training, seed: int) -> None:
        super().__init__(graph, market, training, seed)
        turns = len(self.table.row)
        self._fitted = max(2, int(FITTED_FRAC * turns))
        begin = min(self._fitted + window(training.recipe) + 1, turns - 2)
        self._judged = self.table.part(slice(begin, turns))

    def learns(self, name: str) -> bool:
        """Gain and band are chosen, not learned."""
        return super().learns(name) and name not in ("gain", "band_logit")

    def loss(self, decisions: int) -> tuple[Tensor, Tensor, Tensor]:
        """Draw turns, and compare forecasts with what came."""
        count = max(2, decisions // self.table.row.shape[1])
        index = torch.randint(self._fitted, (count,), generator=self.generator, device=self.market.device)
        part = self.table.part(index)
        forecast, value = self.outputs(part)
        came, heard = part.ahead.clamp(-LARGEST, LARGEST), part.hears.float()
        policy = (functional.huber_loss(forecast, came, reduction="none") * heard).sum() / heard.sum().clamp(min=1.0)
        gained = self.wanted(forecast, part).detach() * part.earned
        critic = functional.huber_loss(value, (gained / part.volatility).float())
        return policy, critic, gained.sum(-1)

    @torch.no_grad()
    def finish(self) -> None:
        """Choose gain and band on the last fifth of the span."""
        part, trunk = self._judged, self.graph.trunk
        forecast, _ = self.outputs(part)
        unit = forecast.square().mean().sqrt().clamp(min=1e-6)
        best = -torch.inf
        for times, band in itertools.product(GAINS, BANDS):
            held = self.followed(self.wanted(forecast, part, times / unit), part, torch.tensor(band))
            earned = float(sharpe(self.net(held, part)))
            if earned > best:
                best = earned
                trunk.gain.fill_(times / unit)
                trunk.band_logit.copy_(torch.logit(torch.tensor(band)))
