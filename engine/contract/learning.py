"""The sections below [training]: what each algorithm can be told, and which values contradict each other."""

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from engine.contract.errors import ConfigError, broken
from engine.contract.section import Count, Fraction, NonNegative, Section, Share

if TYPE_CHECKING:
    from engine.contract.config import Config, Training

WIDEST_LAYER = 8_192
WIDEST_TOKEN = 1_024
LARGEST_SEED = 2**63 - 1
BASELINES = ("supervised", "direct_sharpe")
"""Algorithms that learn from the bars alone, without an account."""


class Schedule(Section, frozen=True):
    """[training.schedule]: the learning rate over a run, as a factor on `training.learning_rate`; in iterations.

    Attributes
    ----------
    kind
        `constant`; `linear`: down to `lowest_frac`; `cosine`: with warm restarts; `adaptive`: the cosine, times a factor that a plateau of
        the win rate lowers and a new regime raises.
    lowest_frac
        Where `linear` and each cosine end.
    first_cycle, cycle_growth
        Length of the first cosine, and by what each one is longer than the one before.
    patience, margin, lower_factor
        After `patience` iterations whose win rate did not beat the best by `margin`, the factor is multiplied by `lower_factor`.
    raise_factor
        A new regime, a mean reward far below its past, multiplies the factor by this.
    """

    kind: Literal["constant", "linear", "cosine", "adaptive"] = "linear"
    lowest_frac: Fraction = 0.1
    first_cycle: Count = 8
    cycle_growth: Count = 2
    patience: Count = 4
    margin: NonNegative = 0.002
    lower_factor: Fraction = 0.5
    raise_factor: Annotated[float, msgspec.Meta(ge=1)] = 2.0


class Replay(Section, frozen=True):
    """[training.replay]: what SAC, TD3 and DQN remember and how often they learn from it.

    Attributes
    ----------
    capacity
        Decisions that are remembered; the oldest are forgotten first.
    batch
        Decisions in one update.
    warm_up
        Decisions made at random before the first update.
    reuse
        How often a decision is learned from, on average: after every step of all markets there are `reuse` times its decisions over
        `batch` updates, at least one.
    target_rate
        Share of the way that the target networks go after every update.
    priority_exponent, importance
        Of prioritised replay: alpha, and beta at the beginning, which grows to 1.
    """

    capacity: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] = 65_536
    batch: Annotated[int, msgspec.Meta(ge=2, le=1_048_576)] = 512
    warm_up: Count = 4_096
    reuse: Annotated[float, msgspec.Meta(gt=0, le=256)] = 4.0
    target_rate: Fraction = 0.01
    priority_exponent: Share = 0.5
    importance: Share = 0.4


class Dqn(Section, frozen=True):
    """[training.dqn]: the parts of DQN. `double` and `dueling` make D3QN; all but `twin`, with 3 steps, make Rainbow.

    Attributes
    ----------
    double
        The network that learns chooses the next answer, the target network values it.
    dueling
        Values are a value of the state plus advantages.
    twin
        Two networks learn, and the smaller of their targets is taken; the first is exported.
    prioritised
        Decisions with large errors are replayed more often.
    n_step
        Rewards that are summed before a value stands for the rest.
    distributional
        The distribution of the discounted reward is learned, on `atoms` points.
    noisy
        Noisy layers explore, instead of random answers.
    first_random, last_random, random_frac
        Share of random answers at the beginning, and from `random_frac` of the run on; unused with `noisy`.
    atoms, support
        The points lie evenly within `support` times what one unit of reward for ever is worth.
    """

    double: bool = True
    dueling: bool = True
    twin: bool = False
    prioritised: bool = False
    n_step: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    distributional: bool = False
    noisy: bool = False
    first_random: Share = 1.0
    last_random: Share = 0.05
    random_frac: Fraction = 0.5
    atoms: Annotated[int, msgspec.Meta(ge=2, le=1_001)] = 51
    support: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.5


class Sac(Section, frozen=True):
    """[training.sac]: how much SAC is made to vary its answers.

    Attributes
    ----------
    entropy_frac
        Discrete answers: entropy to hold, as a share of the largest one among the valid answers.
    entropy
        Continuous answers: entropy to hold, nats; that of a uniform answer is 0.69.
    first_temperature
        Price of entropy at the beginning; it is learned.
    """

    entropy_frac: Share = 0.2
    entropy: Annotated[float, msgspec.Meta(ge=-20, lt=0.69)] = -1.0
    first_temperature: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.2


class Td3(Section, frozen=True):
    """[training.td3]: noise and delay of TD3, in the units of its answers.

    Attributes
    ----------
    exploration
        Standard deviation of what is added to answers in training.
    target_noise, target_clip
        Standard deviation, and largest size, of what is added to the answers that targets value.
    policy_delay
        Updates of the critics for each one of the policy.
    """

    exploration: Annotated[float, msgspec.Meta(gt=0, le=2)] = 0.3
    target_noise: Share = 0.2
    target_clip: Share = 0.5
    policy_delay: Count = 2


def check_training(config: "Config", where: str) -> None:
    """Refuse what [training] cannot mean.

    Raises
    ------
    ConfigError
        Two values contradict each other, or a value is not a number to learn with.
    """
    training = config.training
    _check_numbers("training", training, where)
    _check_seeds(training, where)
    _check_network(training, where)
    _check_algorithm(training, where)
    _check_amounts(training, len(config.universe.instruments), where)


def _check_numbers(path: str, section: Section, where: str) -> None:
    for name in section.__struct_fields__:
        value: Any = getattr(section, name)
        if isinstance(value, Section):
            _check_numbers(f"{path}.{name}", value, where)
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(broken(f"{path}.{name}", "be a finite number", value, where))


def _check_seeds(training: "Training", where: str) -> None:
    seeds = training.seeds
    if len(set(seeds)) != len(seeds):
        raise ConfigError(broken("training.seeds", "differ from each other", seeds, where, "name each seed once"))
    for seed in seeds:
        if not 0 <= seed <= LARGEST_SEED:
            raise ConfigError(broken("training.seeds", f"be from 0 to {LARGEST_SEED}", seed, where))


def _check_network(training: "Training", where: str) -> None:
    for width in training.hidden:
        if not 1 <= width <= WIDEST_LAYER:
            raise ConfigError(broken("training.hidden", f"be widths from 1 to {WIDEST_LAYER}", width, where))
    if training.network == "transformer" and training.hidden[0] % 4:
        rule = "begin with a multiple of 4, the heads of the transformer"
        raise ConfigError(broken("training.hidden", rule, training.hidden[0], where, "use 32 or 64"))
    if training.network == "transformer" and training.hidden[0] > WIDEST_TOKEN:
        rule = f"begin with a token width of at most {WIDEST_TOKEN} for the transformer"
        raise ConfigError(broken("training.hidden", rule, training.hidden[0], where, "use 32 or 64"))


def _check_algorithm(training: "Training", where: str) -> None:
    needed = {"td3": "continuous", "dqn": "discrete7", **dict.fromkeys(BASELINES, "continuous")}.get(training.algorithm)
    if needed is not None and training.action != needed:
        rule = f"be {needed} for {training.algorithm}"
        remedy = "or learn with sac or ppo, which know both"
        raise ConfigError(broken("training.action", rule, training.action, where, remedy))
    if training.algorithm in BASELINES and training.smoothing:
        rule = f"be 0 for {training.algorithm}, which has a band instead"
        raise ConfigError(broken("training.smoothing", rule, training.smoothing, where))


def _check_amounts(training: "Training", instruments: int, where: str) -> None:
    rollout = training.envs * training.rollout_steps
    if training.algorithm not in ("sac", "td3", "dqn") and 2 * training.minibatches > rollout:
        rule = f"leave 2 decisions or more in each part of the {rollout} of a rollout"
        raise ConfigError(broken("training.minibatches", rule, training.minibatches, where, "lower it"))
    if training.env_steps < rollout:
        rule = f"be at least one rollout, envs x rollout_steps = {rollout}"
        remedy = "raise it, or lower envs or rollout_steps"
        raise ConfigError(broken("training.env_steps", rule, training.env_steps, where, remedy))
    if training.algorithm == "ppo" or training.algorithm in BASELINES:
        return
    replay, step = training.replay, training.envs * instruments
    for name, least, what in (
        ("capacity", replay.batch, f"at least one batch, {replay.batch}"),
        ("capacity", replay.warm_up, f"at least the warm-up, {replay.warm_up}"),
        ("capacity", step, f"at least one step of all markets, {step}"),
    ):
        if getattr(replay, name) < least:
            raise ConfigError(broken(f"training.replay.{name}", f"hold {what}", replay.capacity, where, "raise it"))
    if replay.warm_up >= training.env_steps:
        rule = f"end before the run does, at {training.env_steps} decisions"
        raise ConfigError(broken("training.replay.warm_up", rule, replay.warm_up, where, "lower it"))
    if training.dqn.first_random < training.dqn.last_random:
        rule = f"be at least last_random {training.dqn.last_random:g}"
        raise ConfigError(broken("training.dqn.first_random", rule, training.dqn.first_random, where))
