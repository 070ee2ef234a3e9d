"""Actor and critics over a window of features and the account, and the graph that wraps the actor for trading.

The trunk takes features that are already computed and normalised, so training computes them once for the whole tape; `PolicyGraph`
takes raw bars, as the trading process has them, and holds everything else: features, normaliser, mask, choice of the answer.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import msgspec
import torch
from torch import Tensor, nn

from engine.contract.action import ActionSpec, valid_actions
from engine.contract.observation import PORTFOLIO_COLUMNS, POSITION_COLUMNS
from engine.contract.signals import context_columns
from models.exposure import answer
from models.features import STEPS, Features, Recipe, names
from models.layers import NoisyLinear, Pooled, Transformer, initialise, perceptron

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

CONTEXT_GAIN = 1.0
"""Columns of signals are scaled where they are made; see `engine.contract.signals`."""

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


class Encoder(nn.Module):
    """What every network begins with: a summary of the window, and the account, squashed, beside it.

    Parameters
    ----------
    network
        `mlp` or `transformer`; with the latter `hidden[0]` is the width of its tokens, a multiple of 4.
    features
        Features per row.
    hidden
        Widths of the perceptrons that follow.
    budget_frac
        `limits.max_position_frac`: fractions of equity are divided by it.
    context
        Columns of signals beside the account; 0 where it sees none.
    """

    gains: Tensor

    def __init__(
        self,
        network: Literal["mlp", "transformer"],
        features: int,
        hidden: Sequence[int],
        budget_frac: float,
        context: int = 0,
    ) -> None:
        super().__init__()
        self.summary = Pooled(features) if network == "mlp" else Transformer(features, hidden[0])
        self.account_width = ACCOUNT_WIDTH + context
        self.width = self.summary.width + self.account_width
        gains = {name: gain / (budget_frac if name in OF_BUDGET else 1.0) for name, gain in ACCOUNT_GAINS.items()}
        order = [*POSITION_COLUMNS, *PORTFOLIO_COLUMNS]
        every = [*(gains[name] for name in order), *[CONTEXT_GAIN] * context]
        self.register_buffer("gains", torch.tensor(every), persistent=False)

    def table(self, features: Tensor) -> Tensor:
        """Compute the context of every window of a tape once: (T, F), normalised, to (T - STEPS + 1, K); a view where it can be."""
        rows, width = features.shape
        windows = features.as_strided((rows - STEPS + 1, STEPS * width), (width, 1))
        if isinstance(self.summary, Transformer):
            return windows
        parts = [self.summary.context(part.reshape(-1, STEPS, width)) for part in windows.split(8_192)]
        return torch.cat(parts)

    def state(self, context: Tensor, account: Tensor) -> Tensor:
        """Encode the context (B, K), the squashed account (B, 13 + C) beside it."""
        return torch.cat([self.summary(context), torch.tanh(account * self.gains)], -1)


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the last layers of a policy mean; it stands in the manifest where it is not the plain one.

    Attributes
    ----------
    kind
        `policy`: scores of answers, or the mean of a continuous answer with a spread that is one number; `gaussian`: mean and logarithm of
        the spread of a continuous answer before its tanh; `values`: the discounted reward expected of every answer; `exposure`: an
        exposure that is wanted, of the window and the signals alone, and the continuous answer that leads there (`models.exposure`).
    dueling
        Values are the sum of a value of the state and advantages of the answers.
    atoms
        Points on which the distribution of the discounted reward lives; 1 where only its mean is known.
    limit
        The points lie evenly in [-limit, limit].
    noisy
        Layers are noisy while they learn.
    """

    kind: Literal["policy", "gaussian", "values", "exposure"] = "policy"
    dueling: bool = False
    atoms: int = 1
    limit: float = 0.0
    noisy: bool = False


PLAIN = Head()
EXPOSURE = Head(kind="exposure")
FIRST_BAND = 0.05
"""Half the band around a wanted exposure in which nothing is traded, before anything was learned."""


class Trunk(Encoder):
    """Actor and critic: an encoder, and a perceptron each.

    Parameters
    ----------
    network, features, hidden, budget_frac, context
        As in `Encoder`.
    spec
        The action space.
    head
        What the perceptrons answer.
    generator
        Source of the initial weights; without it they stay as torch made them, to be loaded over.
    """

    atoms: Tensor
    seen: Tensor

    def __init__(
        self,
        network: Literal["mlp", "transformer"],
        features: int,
        hidden: Sequence[int],
        budget_frac: float,
        spec: ActionSpec,
        head: Head = PLAIN,
        generator: torch.Generator | None = None,
        context: int = 0,
    ) -> None:
        super().__init__(network, features, hidden, budget_frac, context)
        self.spec, self.head = spec, head
        outputs = spec.size * (2 if head.kind == "gaussian" else head.atoms)
        self.actor = perceptron(self.width, hidden, outputs, head.noisy)
        self.critic = perceptron(self.width, hidden, head.atoms, head.noisy)
        self.log_std = nn.Parameter(torch.full((), -0.7))
        self.register_buffer("atoms", torch.linspace(-head.limit, head.limit, head.atoms), persistent=False)
        if head.kind == "exposure":
            self.gain = nn.Parameter(torch.ones(()))
            self.band_logit = nn.Parameter(torch.logit(torch.tensor(FIRST_BAND)))
            seen = torch.cat([torch.zeros(ACCOUNT_WIDTH), torch.ones(context)])
            self.register_buffer("seen", seen, persistent=False)
        if generator is not None:
            initialise(self, generator)
            with torch.no_grad():
                if head.kind != "exposure":
                    cast(nn.Linear, self.actor[-1]).weight.mul_(0.01)
                cast(nn.Linear, self.critic[-1]).weight.mul_(0.1)

    def scores(self, state: Tensor) -> Tensor:
        """Score every answer's atoms (B, A, atoms), from an encoded state; for a head of values alone.

        Wang et al., "Dueling Network Architectures" (2016), equation 9: the advantages of all answers, valid or not, have mean 0.
        """
        scores = self.actor(state).unflatten(-1, (self.spec.size, self.head.atoms))
        if not self.head.dueling:
            return scores
        return self.critic(state).unsqueeze(-2) + scores - scores.mean(-2, keepdim=True)

    def expected(self, scores: Tensor) -> Tensor:
        """Turn scores (B, A, atoms) into values (B, A)."""
        if self.head.atoms == 1:
            return scores.squeeze(-1)
        return (torch.softmax(scores, -1) * self.atoms).sum(-1)

    def score(self, context: Tensor, account: Tensor) -> Tensor:
        """Score the answers (B, A), unmasked; what `judge` scores, without the value."""
        return self._answered(self._encoded(context, account), account)

    def judge(self, context: Tensor, account: Tensor) -> tuple[Tensor, Tensor]:
        """Score the answers (B, A), unmasked, and value the state (B,)."""
        state = self._encoded(context, account)
        answers = self._answered(state, account)
        if self.head.kind == "values":
            return answers, mask_logits(self.spec, answers, account[:, SIZE_COLUMN]).amax(-1)
        return answers, self.critic(state).squeeze(-1)

    def _encoded(self, context: Tensor, account: Tensor) -> Tensor:
        return self.state(context, account * self.seen if self.head.kind == "exposure" else account)

    def _answered(self, state: Tensor, account: Tensor) -> Tensor:
        if self.head.kind == "exposure":
            wanted = torch.tanh(self.gain * self.actor(state))
            return answer(wanted, self.band, account[:, SIZE_COLUMN, None], self.spec.short)
        return self.expected(self.scores(state)) if self.head.kind == "values" else self.actor(state)

    def forward(self, window: Tensor, account: Tensor) -> tuple[Tensor, Tensor]:
        """Judge a window (B, STEPS, F) of normalised features."""
        return self.judge(self.summary.context(window), account)

    @property
    def band(self) -> Tensor:
        """Half the band in which nothing is traded, fraction of the budget; for a head of exposures alone."""
        return torch.sigmoid(self.band_logit)

    @property
    def spread(self) -> Tensor:
        """Standard deviation of a continuous answer around tanh of its mean."""
        return self.log_std.clamp(*LOG_STD_RANGE).exp()

    def gaussian(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Split the outputs (B, 2) of a `gaussian` head into mean and standard deviation before the tanh, (B, 1) each."""
        mean, log_std = outputs.split(1, -1)
        return mean, log_std.clamp(*LOG_STD_RANGE).exp()

    def draw_noise(self, generator: torch.Generator) -> None:
        """Draw new noise for every noisy layer."""
        for module in self.modules():
            if isinstance(module, NoisyLinear):
                module.draw(generator)


class Critics(Encoder):
    """Two estimates of the value of answers, which stay with the learner.

    Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic Methods" (2018): the smaller of two is the target.

    Parameters
    ----------
    network, features, hidden, budget_frac, context
        As in `Encoder`.
    spec
        With discrete answers all are valued at once, (B, 7); a continuous one is an input.
    generator
        Source of the initial weights.
    """

    def __init__(
        self,
        network: Literal["mlp", "transformer"],
        features: int,
        hidden: Sequence[int],
        budget_frac: float,
        spec: ActionSpec,
        generator: torch.Generator,
        context: int = 0,
    ) -> None:
        super().__init__(network, features, hidden, budget_frac, context)
        taken, outputs = (1, 1) if spec.kind == "continuous" else (0, spec.size)
        self.first = perceptron(self.width + taken, hidden, outputs)
        self.second = perceptron(self.width + taken, hidden, outputs)
        initialise(self, generator)

    def forward(self, state: Tensor, action: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Value an encoded state: (B, 7) each; or the action (B, 1) in it: (B, 1) each."""
        inputs = state if action is None else torch.cat([state, action], -1)
        return self.first(inputs), self.second(inputs)


def mask_logits(spec: ActionSpec, logits: Tensor, size: Tensor) -> Tensor:
    """Push the logits of answers that are not valid at exposure `size` (B,) to `MASKED`."""
    return torch.where(valid_actions(spec, size), logits, MASKED)


def choose(spec: ActionSpec, logits: Tensor, size: Tensor, spread: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Choose the answer that the policy is surest of.

    Parameters
    ----------
    logits : float32 (B, A)
        Unmasked scores; with continuous answers the mean before its tanh, and, if A is 2, beside it the logarithm of the standard
        deviation before the tanh.
    size : float32 (B,), exposure, fraction of the budget
    spread : float32 (), standard deviation of continuous answers

    Returns
    -------
    action : int64 (B,) or float32 (B,)
    logits : float32 (B, A), masked; with continuous answers the mean
    confidence : float32 (B,), in [0, 1]
        Probability of the chosen answer under the softmax of the logits; with continuous answers 2 P(a draw has the sign of the mean) - 1,
        which grows with the size of the mean and falls with the spread.

    Notes
    -----
    Where the logits are values of answers (a policy learned by DQN), the softmax is no policy that was ever followed: its confidence says
    how far the best answer is ahead of the others in units of reward, one being the reward of one bar's volatility. It orders states; it is
    not a frequency of being right.
    """
    if spec.kind == "discrete7":
        masked = mask_logits(spec, logits, size)
        chosen = masked.argmax(-1)
        return chosen, masked, torch.softmax(masked, -1).amax(-1)
    if logits.shape[-1] == 2:
        before, log_std = logits.split(1, -1)
        mean = torch.tanh(before)
        certainty = before.abs() / (log_std.clamp(*LOG_STD_RANGE).exp() * 2.0**0.5)
        return mean.squeeze(-1), mean, torch.erf(certainty.squeeze(-1))
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
        head = msgspec.convert(network["head"], Head) if "head" in network else PLAIN
        shape = (network["network"], width, network["hidden"], network["budget_frac"])
        self.trunk = Trunk(*shape, spec, head, generator, _context_width(network))

    def forward(self, bars: Tensor, position: Tensor, portfolio: Tensor, context: Tensor | None = None) -> Output:
        """Answer raw bars (B, W, 5), position (B, 5), portfolio (B, 8) and, where it sees signals, context (B, C), float32."""
        window = self.normaliser(self.features(bars))
        account = [position, portfolio] if context is None else [position, portfolio, context]
        return self.answer(window, torch.cat(account, -1))

    def answer(self, window: Tensor, account: Tensor) -> Output:
        """Answer normalised features (B, STEPS, F) and account columns (B, 13 + C)."""
        logits, value = self.trunk(window, account)
        action, logits, confidence = choose(self.spec, logits, account[:, SIZE_COLUMN], self.trunk.spread)
        return Output(action, logits, value, confidence)


def describe(
    network: str,
    recipe: Recipe,
    hidden: Sequence[int],
    budget_frac: float,
    head: Head = PLAIN,
    context: Sequence[str] = (),
) -> dict[str, Any]:
    """Plain values that a `PolicyGraph` is built from; they stand in the manifest as `network`, without a `head` that is plain.

    Parameters
    ----------
    context
        Signals that the policy sees, in order.
    """
    plain = {"network": network, "recipe": recipe, "hidden": list(hidden), "budget_frac": budget_frac}
    plain |= {} if head == PLAIN else {"head": msgspec.to_builtins(head)}
    return plain | ({"context": list(context)} if context else {})


def _context_width(network: dict[str, Any]) -> int:
    return len(context_columns(network.get("context", ()))[0])


def matching_trunk(graph: PolicyGraph, generator: torch.Generator) -> Trunk:
    """Make a second trunk of a policy's kind, with weights of its own, on its device."""
    second = PolicyGraph(graph.network, graph.spec, _seeded_by(generator))
    return second.trunk.to(graph.normaliser.centre.device)


def matching_critics(graph: PolicyGraph, generator: torch.Generator) -> Critics:
    """Make critics as wide as a policy's own layers, on its device."""
    network = graph.network
    width = len(names(network["recipe"]))
    shape = (network["network"], width, network["hidden"], network["budget_frac"])
    return Critics(*shape, graph.spec, _seeded_by(generator), _context_width(network)).to(
        graph.normaliser.centre.device
    )


def _seeded_by(generator: torch.Generator) -> torch.Generator:
    """Make a generator on the CPU, where weights begin, from one that may be elsewhere."""
    drawn = torch.randint(2**62, (), generator=generator, device=generator.device)
    return torch.Generator().manual_seed(int(drawn))
