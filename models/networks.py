"""Actor and critic over a window of features and the account, and the graph that wraps them for trading.

The trunk takes features that are already computed and normalised, so training computes them once for the whole tape; `PolicyGraph`
takes raw bars, as the trading process has them, and holds everything else: features, normaliser, mask, choice of the answer.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from engine.contract.action import ActionSpec, valid_actions
from engine.contract.observation import PORTFOLIO_COLUMNS, POSITION_COLUMNS
from models.features import STEPS, Features, Recipe, names

ACCOUNT_WIDTH = len(POSITION_COLUMNS) + len(PORTFOLIO_COLUMNS)
SIZE_COLUMN = POSITION_COLUMNS.index("size")
MASKED = -1e9
"""Logit of an answer that is not valid; its probability is exactly 0."""

LOG_STD_RANGE = (-3.0, 0.5)
NORMALISED_LIMIT = 5.0

ACCOUNT_GAINS: dict[str, float] = {
    "entry_price": 20.0,
    "size": 1.0,
    "unrealised_pnl": 20.0,
    "holding_time": 1.0,
    "side": 1.0,
    "equity": 1.0,
    "exposure": 1.0,
    "sharpe": 1.0,
    "sortino": 0.5,
    "realised_pnl": 1.0,
    "drawdown": 3.0,
    "cash": 1.0,
    "turnover": 5.0,
}
"""Account columns enter as tanh(gain * column): fractions of equity are first divided by the budget's fraction of equity, and
levels that drift in a long run (equity, realised_pnl, drawdown) stay bounded."""

OF_BUDGET = ("unrealised_pnl", "exposure", "turnover")


class Output(NamedTuple):
    """What the graph answers for a batch: action (B,), logits (B, A), value (B,), confidence (B,)."""

    action: Tensor
    logits: Tensor
    value: Tensor
    confidence: Tensor


class Normaliser(nn.Module):
    """Centre and scale of every feature, fitted on training rows alone, and a clip at `NORMALISED_LIMIT`."""

    centre: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def fit(self, rows: Tensor) -> None:
        """Take mean and standard deviation of `rows`, float32 (n, F); a constant feature keeps a scale of 1."""
        wide = rows.double()
        deviation = wide.std(0)
        self.centre.copy_(wide.mean(0))
        self.scale.copy_(torch.where(deviation > 1e-6, deviation, 1.0))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise features (..., F)."""
        return ((features - self.centre) / self.scale).clamp(-NORMALISED_LIMIT, NORMALISED_LIMIT)


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


class Trunk(nn.Module):
    """Actor and critic: a summary of the window, the account beside it, and a perceptron each.

    Parameters
    ----------
    network
        `mlp` or `transformer`; with the latter `hidden[0]` is the width of its tokens, a multiple of 4.
    features
        Features per row.
    outputs
        Width of the logits.
    hidden
        Widths of the perceptrons.
    budget_frac
        `limits.max_position_frac`: fractions of equity are divided by it.
    generator
        Source of the initial weights; without it they stay as torch made them, to be loaded over.
    """

    gains: Tensor

    def __init__(
        self,
        network: Literal["mlp", "transformer"],
        features: int,
        outputs: int,
        hidden: Sequence[int],
        budget_frac: float,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.summary = Pooled(features) if network == "mlp" else Transformer(features, hidden[0])
        width = self.summary.width + ACCOUNT_WIDTH
        self.actor, self.critic = _perceptron(width, hidden, outputs), _perceptron(width, hidden, 1)
        self.log_std = nn.Parameter(torch.full((), -0.7))
        gains = {name: gain / (budget_frac if name in OF_BUDGET else 1.0) for name, gain in ACCOUNT_GAINS.items()}
        order = [*POSITION_COLUMNS, *PORTFOLIO_COLUMNS]
        self.register_buffer("gains", torch.tensor([gains[name] for name in order]), persistent=False)
        if generator is not None:
            self._initialise(generator)

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.orthogonal_(module.weight, gain=1.0, generator=generator)
                nn.init.zeros_(module.bias)
            if isinstance(module, Transformer):
                nn.init.normal_(module.place, std=0.02, generator=generator)
        for perceptron, gain in ((self.actor, 0.01), (self.critic, 0.1)):
            list(perceptron.parameters())[-2].mul_(gain)

    def table(self, features: Tensor) -> Tensor:
        """Compute the context of every window of a tape once: (T, F), normalised, to (T - STEPS + 1, K); a view where it can be."""
        rows, width = features.shape
        windows = features.as_strided((rows - STEPS + 1, STEPS * width), (width, 1))
        if isinstance(self.summary, Transformer):
            return windows
        parts = [self.summary.context(part.reshape(-1, STEPS, width)) for part in windows.split(8_192)]
        return torch.cat(parts)

    def state(self, context: Tensor, account: Tensor) -> Tensor:
        """Encode the context (B, K), the squashed account (B, 13) beside it."""
        return torch.cat([self.summary(context), torch.tanh(account * self.gains)], -1)

    def judge(self, context: Tensor, account: Tensor) -> tuple[Tensor, Tensor]:
        """Score the answers (B, A), unmasked, and value the state (B,)."""
        state = self.state(context, account)
        return self.actor(state), self.critic(state).squeeze(-1)

    def forward(self, window: Tensor, account: Tensor) -> tuple[Tensor, Tensor]:
        """Judge a window (B, STEPS, F) of normalised features."""
        return self.judge(self.summary.context(window), account)

    @property
    def spread(self) -> Tensor:
        """Standard deviation of a continuous answer around tanh of its mean."""
        return self.log_std.clamp(*LOG_STD_RANGE).exp()


def _perceptron(width: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(width, size), nn.SiLU()]
        width = size
    return nn.Sequential(*layers, nn.Linear(width, outputs))


def mask_logits(spec: ActionSpec, logits: Tensor, size: Tensor) -> Tensor:
    """Push the logits of answers that are not valid at exposure `size` (B,) to `MASKED`."""
    return torch.where(valid_actions(spec, size), logits, MASKED)


def choose(spec: ActionSpec, logits: Tensor, size: Tensor, spread: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Choose the answer that the policy is surest of.

    Parameters
    ----------
    logits : float32 (B, A)
        Unmasked scores; with continuous answers the mean before its tanh.
    size : float32 (B,), exposure, fraction of the budget
    spread : float32 (), standard deviation of continuous answers

    Returns
    -------
    action : int64 (B,) or float32 (B,)
    logits : float32 (B, A), masked; with continuous answers the mean
    confidence : float32 (B,), in [0, 1]
        Probability of the chosen answer; with continuous answers 2 P(a draw has the sign of the mean) - 1, which grows with the size
        of the mean and falls with the spread.
    """
    if spec.kind == "discrete7":
        masked = mask_logits(spec, logits, size)
        chosen = masked.argmax(-1)
        return chosen, masked, torch.softmax(masked, -1).amax(-1)
    mean = torch.tanh(logits)
    answer = mean.squeeze(-1)
    return answer, mean, torch.erf(answer.abs() / (spread * 2.0**0.5))


class PolicyGraph(nn.Module):
    """Everything between raw observation and answer: what is exported.

    Parameters
    ----------
    network
        As in `describe`: everything needed to build the module again.
    spec
        The action space.
    generator
        Source of the initial weights.
    """

    def __init__(self, network: dict[str, Any], spec: ActionSpec, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.network, self.spec = network, spec
        recipe: Recipe = network["recipe"]
        width = len(names(recipe))
        self.features = Features(recipe)
        self.normaliser = Normaliser(width)
        self.trunk = Trunk(network["network"], width, spec.size, network["hidden"], network["budget_frac"], generator)

    def forward(self, bars: Tensor, position: Tensor, portfolio: Tensor) -> Output:
        """Answer raw bars (B, W, 5), position (B, 5) and portfolio (B, 8), float32."""
        window = self.normaliser(self.features(bars))
        return self.answer(window, torch.cat([position, portfolio], -1))

    def answer(self, window: Tensor, account: Tensor) -> Output:
        """Answer normalised features (B, STEPS, F) and account columns (B, 13)."""
        logits, value = self.trunk(window, account)
        action, logits, confidence = choose(self.spec, logits, account[:, SIZE_COLUMN], self.trunk.spread)
        return Output(action, logits, value, confidence)


def describe(network: str, recipe: Recipe, hidden: Sequence[int], budget_frac: float) -> dict[str, Any]:
    """Plain values that a `PolicyGraph` is built from; they stand in the manifest as `network`."""
    return {"network": network, "recipe": recipe, "hidden": list(hidden), "budget_frac": budget_frac}
