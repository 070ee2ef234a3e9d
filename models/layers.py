"""The layers that networks are made of: two summaries of a window, perceptrons, and layers whose weights are noisy while they learn."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.features import STEPS


class Pooled(nn.Module):
    """The window as its last row beside its means over the last 6 rows and over all: 3 F numbers, no parameters."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.width = 3 * features

    def context(self, window: Tensor) -> Tensor:
        """Map (B, STEPS, F) to (B, 3 F)."""
        return torch.cat([window[:, -1], window[:, -6:].mean(1), window.mean(1)], -1)

    def forward(self, context: Tensor) -> Tensor:
        """Return the context as it is."""
        return context


class Attention(nn.Module):
    """One pre-norm encoder layer: attention over the steps, then a position-wise network."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries, self.merge = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, S, D) to (B, S, D)."""
        steps, width = x.shape[1], x.shape[2]
        parts = self.queries(self.before(x)).reshape(-1, steps, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weight = torch.softmax(query @ key.transpose(-2, -1) * (width // self.heads) ** -0.5, -1)
        x = x + self.merge((weight @ value).transpose(1, 2).reshape(-1, steps, width))
        return x + self.wide(self.between(x))


class Transformer(nn.Module):
    """Two layers of attention over the steps of the window, read at the last step."""

    def __init__(self, features: int, width: int, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.width = width
        self.entry = nn.Linear(features, width)
        self.place = nn.Parameter(torch.zeros(STEPS, width))
        self.layers = nn.Sequential(*(Attention(width, heads) for _ in range(layers)))
        self.leave = nn.LayerNorm(width)

    def context(self, window: Tensor) -> Tensor:
        """Lay the rows of (B, STEPS, F) end to end."""
        return window.flatten(1)

    def forward(self, context: Tensor) -> Tensor:
        """Map (B, STEPS F) to (B, D)."""
        window = context.reshape(-1, STEPS, self.entry.in_features)
        return self.leave(self.layers(self.entry(window) + self.place)[:, -1])


class NoisyLinear(nn.Linear):
    """A linear layer whose weights are drawn around their means while it learns, with spreads that are learned too.

    Fortunato et al., "Noisy Networks for Exploration" (2018), equations 8 to 11, factorised noise. Outside training, and until `draw`
    was called, the means alone answer: an exported policy is free of noise.

    Departure: means begin orthogonal, as those of every other layer here.
    """

    FIRST_SPREAD = 0.5
    """The paper's sigma_0."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        spread = self.FIRST_SPREAD * inputs**-0.5
        self.weight_spread = nn.Parameter(torch.full((outputs, inputs), spread))
        self.bias_spread = nn.Parameter(torch.full((outputs,), spread))
        self._noise: tuple[Tensor, Tensor] | None = None

    def draw(self, generator: torch.Generator) -> None:
        """Draw the noise that answers until the next draw."""
        device = self.weight.device
        into, out = (torch.randn(n, device=device, generator=generator) for n in (self.in_features, self.out_features))
        self._noise = (into.sign() * into.abs().sqrt(), out.sign() * out.abs().sqrt())

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        if not self.training or self._noise is None:
            return super().forward(x)
        into, out = self._noise
        weight = self.weight + self.weight_spread * torch.outer(out, into)
        return functional.linear(x, weight, self.bias + self.bias_spread * out)


def perceptron(width: int, hidden: Sequence[int], outputs: int, noisy: bool = False) -> nn.Sequential:
    """Chain linear layers with SiLU between them, `hidden` wide inside."""
    kind = NoisyLinear if noisy else nn.Linear
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [kind(width, size), nn.SiLU()]
        width = size
    return nn.Sequential(*layers, kind(width, outputs))


@torch.no_grad()
def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw orthogonal weights and zero biases for every linear layer in a module."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.orthogonal_(part.weight, gain=1.0, generator=generator)
            nn.init.zeros_(part.bias)
        if isinstance(part, Transformer):
            nn.init.normal_(part.place, std=0.02, generator=generator)
