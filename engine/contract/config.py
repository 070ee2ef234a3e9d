"""The configuration: one TOML file, typed, unknown keys refused, dates in UTC."""

import datetime as dt
import hashlib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import tomli_w

from engine.contract.alerts import Alerts, check_alerts
from engine.contract.calendar import bar_ns, to_ns
from engine.contract.errors import ConfigError, broken
from engine.contract.learning import Dqn, Replay, Sac, Schedule, Td3, check_training
from engine.contract.lifecycle import Lifecycle, check_lifecycle
from engine.contract.live import Live
from engine.contract.rehearsal import Rehearsal, check_rehearsal
from engine.contract.retrain import Retrain
from engine.contract.search import Search, check_search
from engine.contract.section import Count, Fraction, Name, NonNegative, Positive, Section
from engine.contract.walkforward import WalkForward, check_walk_forward

CASH_REACH_FRAC = 0.98
"""Largest part of a cash account that positions may take: an order for all of it is denied for its fee."""


class Run(Section, frozen=True):
    """[run]: what the run is called, and the seed of everything random in it."""

    name: Name = "run"
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1


class Data(Section, frozen=True):
    """[data]: the catalog and the span; start inclusive, end exclusive, UTC. None means the first or the last bar there is."""

    catalog: str = "var/catalogs/main"
    start: dt.datetime | None = None
    end: dt.datetime | None = None


class Universe(Section, frozen=True):
    """[universe]: instruments, in the order in which they are decided, and their bar."""

    instruments: Annotated[list[str], msgspec.Meta(min_length=1)]
    bar: str = "1-HOUR"


class Venue(Section, frozen=True):
    """[venue]: the simulated account, its costs, and the fill assumption."""

    account: Literal["margin", "cash"] = "margin"
    balance: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(\.[0-9]+)? [A-Z0-9]+$")] = "100000 USDT"
    leverage: Annotated[float, msgspec.Meta(ge=1)] = 3.0
    maker_bps: NonNegative = 2.0
    taker_bps: NonNegative = 5.0
    half_spread_bps: NonNegative = 1.0
    fill: Literal["next_open", "next_close", "this_close"] = "next_open"
    funding: bool = True

    @property
    def starting_balance(self) -> float:
        """The amount of `balance`."""
        return float(self.balance.split()[0])

    @property
    def currency(self) -> str:
        """The currency code of `balance`."""
        return self.balance.split()[1]


class PolicySource(Section, frozen=True):
    """[policy]: a policy folder, or NAME@VERSION of a released or trained policy."""

    path: str


class Limits(Section, frozen=True):
    """[limits]: what the gate holds every order to; None means no limit.

    Attributes
    ----------
    max_position_frac
        Largest position of one instrument, fraction of equity; it is the instrument's budget, so an exposure of 1 means this.
    max_gross_frac
        Largest sum of absolute positions, fraction of equity.
    max_order_notional
        Largest value of one order, quote.
    max_drawdown_frac, daily_loss_frac
        At or beyond this loss, from the peak or from the equity at 00:00 UTC, only risk-reducing orders pass.
    daily_trades
        Orders a UTC day; risk-reducing orders pass beyond it.
    """

    max_position_frac: Positive = 0.10
    max_gross_frac: Positive = 1.0
    max_order_notional: Positive | None = None
    max_drawdown_frac: Fraction | None = None
    daily_loss_frac: Fraction | None = None
    daily_trades: Count | None = None


class Actors(Section, frozen=True):
    """[actors.NAME]: sections of the actors, each checked by its own room; None means that it does not run."""

    regime: dict[str, Any] | None = None
    changepoint: dict[str, Any] | None = None
    risk_budget: dict[str, Any] | None = None
    breaker: dict[str, Any] | None = None
    drift: dict[str, Any] | None = None


class Reward(Section, frozen=True):
    """[training.reward]: weights of the terms of the reward, which `models.rewards` defines; a weight of 0 leaves a term out."""

    growth: NonNegative = 1.0
    pnl: NonNegative = 0.0
    cost: NonNegative = 0.0
    time: NonNegative = 0.0
    sharpe: NonNegative = 0.0
    drawdown: NonNegative = 0.0
    sizing: NonNegative = 0.0
    holding: NonNegative = 0.0


class Training(Section, frozen=True):
    """[training]: how a policy is learned. Spans are UTC, start inclusive, end exclusive; None means those of [data].

    Attributes
    ----------
    algorithm
        `ppo` and `sac` for both kinds of answers, `td3` for continuous, `dqn` for discrete ones; `supervised` and
        `direct_sharpe`, continuous too, are the baselines that reinforcement learning has to beat.
    env_steps
        Decisions per seed.
    context
        Signals that the policy sees beside bars and account, in this order; their actors must be enabled.
    envs
        Accounts stepped side by side; each holds every instrument of the universe, as in trading.
    seeds
        One policy is trained per seed; the one with the best validation result is exported, and all are reported.
    validation_frac
        Last part of the training span that no gradient sees: seeds and checkpoints are chosen on it.
    episode_bars
        Decisions after which an episode is truncated (not terminated).
    rollout_steps
        Decisions per market in an iteration. PPO learns after them, in `epochs` passes of `minibatches` parts; the others after each.
    hidden
        Widths of the layers; of the transformer, the first is the width of its tokens, a multiple of 4.
    learning_rate, discount, gradient_norm
        Of every algorithm; the rate changes as [training.schedule] says.
    gae_lambda, clip, entropy, value_coefficient, epochs, minibatches
        Of PPO, in its usual notation.
    reward_scale, reward
        Factor on the reward, and the weights of its terms, a section of its own.
    smoothing
        Of continuous answers: weight of the last smoothed answer in the next one.
    checkpoint_every
        Iterations between checkpoints.
    evaluate_every
        Iterations between replays of the validation span, besides the last one; the best of them is the seed's policy, and all count as
        trials.
    schedule, replay, dqn, sac, td3
        Sections of their own.
    """

    algorithm: Literal["ppo", "sac", "td3", "dqn", "supervised", "direct_sharpe"] = "ppo"
    network: Literal["mlp", "transformer"] = "mlp"
    action: Literal["discrete7", "continuous"] = "discrete7"
    context: list[Literal["regime", "changepoint", "risk_budget"]] = msgspec.field(default_factory=list)
    recipe: Literal["base", "higher_order"] = "base"
    short: bool = False
    env_steps: Count = 200_000
    envs: Annotated[int, msgspec.Meta(ge=1, le=1_048_576)] = 512
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    seeds: Annotated[list[int], msgspec.Meta(min_length=1)] = msgspec.field(default_factory=lambda: [1, 2, 3])
    validation_frac: Annotated[float, msgspec.Meta(ge=0.05, le=0.5)] = 0.2
    episode_bars: Annotated[int, msgspec.Meta(ge=8)] = 256
    rollout_steps: Annotated[int, msgspec.Meta(ge=2, le=65_536)] = 32
    epochs: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 4
    minibatches: Count = 16
    hidden: Annotated[list[int], msgspec.Meta(min_length=1, max_length=16)] = msgspec.field(
        default_factory=lambda: [64, 64]
    )
    learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1e-3
    discount: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.97
    gae_lambda: Fraction = 0.90
    clip: Fraction = 0.2
    entropy: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.005
    value_coefficient: Annotated[float, msgspec.Meta(gt=0, le=100)] = 0.5
    gradient_norm: Annotated[float, msgspec.Meta(ge=1e-3)] = 0.5
    reward_scale: Annotated[float, msgspec.Meta(ge=1e-3, le=1e3)] = 1.0
    reward: Reward = Reward()
    smoothing: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    checkpoint_every: Count = 1
    evaluate_every: Count = 4
    device: Literal["auto", "cpu", "cuda"] = "auto"
    schedule: Schedule = Schedule()
    replay: Replay = Replay()
    dqn: Dqn = Dqn()
    sac: Sac = Sac()
    td3: Td3 = Td3()


class Config(Section, frozen=True):
    """A whole configuration file; which mode it runs in is the verb, not the file."""

    universe: Universe
    run: Run = Run()
    data: Data = Data()
    venue: Venue = Venue()
    strategy: dict[str, Any] = msgspec.field(default_factory=lambda: {"name": "policy"})
    policy: PolicySource | None = None
    limits: Limits = Limits()
    actors: Actors = Actors()
    training: Training = Training()
    walkforward: WalkForward = WalkForward()
    live: Live = Live()
    rehearsal: Rehearsal = Rehearsal()
    search: Search = Search()
    lifecycle: Lifecycle | None = None
    retrain: Retrain | None = None
    alerts: Alerts = Alerts()

    @property
    def strategy_name(self) -> str:
        """`strategy.name`; the keys beside it are that strategy's parameters."""
        return self.strategy["name"]

    @property
    def span_ns(self) -> tuple[int | None, int | None]:
        """[data] start and end in UTC nanoseconds."""
        return tuple(None if moment is None else to_ns(moment) for moment in (self.data.start, self.data.end))  # type: ignore[return-value]

    @property
    def training_span_ns(self) -> tuple[int | None, int | None]:
        """[training] start and end, those of [data] where absent, in UTC nanoseconds."""
        start, end = self.training.start or self.data.start, self.training.end or self.data.end
        return tuple(None if moment is None else to_ns(moment) for moment in (start, end))  # type: ignore[return-value]


def load(path: Path | str, overrides: Sequence[str] = ()) -> Config:
    """Read, override and check a configuration file.

    Parameters
    ----------
    path
        A TOML file.
    overrides
        `section.key=value` each, the value in TOML (a bare word counts as a string).

    Raises
    ------
    ConfigError
        The file is missing or not TOML, a key is unknown, a value breaks its type or range, or two values contradict each other.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(broken("configuration", "be a file", path, remedy="huracan new NAME makes one"))
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(broken("configuration", "be TOML", str(error), str(path))) from error
    for override in overrides:
        _set(document, override)
    return parse(document, str(path))


def parse(document: dict[str, Any], where: str = "configuration") -> Config:
    """Check a document of plain values and return the configuration."""
    try:
        config = msgspec.convert(_in_utc(document), Config)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{_readable(str(error), document)} ({where}); huracan config schema lists every key"
        ) from error
    _cross_check(config, where)
    return config


def dump(config: Config) -> str:
    """Write the resolved configuration as TOML, absent values left out."""
    return tomli_w.dumps(_without_none(msgspec.to_builtins(config, builtin_types=(dt.datetime,))))


def sha256(config: Config) -> str:
    """Digest of the resolved configuration, in hexadecimal."""
    return hashlib.sha256(dump(config).encode()).hexdigest()


def schema() -> dict[str, Any]:
    """JSON schema of the configuration file."""
    return msgspec.json.schema(Config)


def _set(document: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *sections, last = key.strip().split(".")
    if not equals or not last:
        raise ConfigError(broken("--set", "be section.key=value", override))
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    for section in sections:
        document = document.setdefault(section, {})
        if not isinstance(document, dict):
            raise ConfigError(broken("--set", "name a key inside a section", override))
    document[last] = value


def _in_utc(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _in_utc(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_utc(item) for item in value]
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    return value


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _readable(message: str, document: dict[str, Any]) -> str:
    text, _, path = message.partition(" - at `$")
    path = path.rstrip("`").removeprefix(".")
    found: Any = document
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    key = f"{path or 'configuration'}: {text[0].lower()}{text[1:]}"
    return key if found is None or isinstance(found, dict) else f"{key}, was {found!r}"


def _cross_check(config: Config, where: str) -> None:
    bar_ns(config.universe.bar)
    for section, start, end in (
        ("data", config.data.start, config.data.end),
        ("training", config.training.start, config.training.end),
    ):
        if start is not None and end is not None and start >= end:
            raise ConfigError(
                broken(
                    f"{section}.start",
                    f"be before {section}.end {end:%Y-%m-%d %H:%M}",
                    f"{start:%Y-%m-%d %H:%M}",
                    where,
                )
            )
    instruments = config.universe.instruments
    for instrument in instruments:
        if instrument.count(".") != 1 or not all(instrument.split(".")):
            raise ConfigError(
                broken("universe.instruments", "be SYMBOL.VENUE each", instrument, where, 'write "BTCUSDT.BINANCE"')
            )
    if len(set(instruments)) != len(instruments):
        raise ConfigError(broken("universe.instruments", "name each instrument once", instruments, where))
    if len({instrument.rpartition(".")[2] for instrument in instruments}) > 1:
        raise ConfigError(
            broken("universe.instruments", "be of one venue", instruments, where, "run one venue at a time")
        )
    if not isinstance(config.strategy.get("name"), str):
        raise ConfigError(
            broken("strategy.name", "be a string", config.strategy.get("name"), where, 'write name = "policy"')
        )
    if config.limits.max_gross_frac > config.venue.leverage:
        raise ConfigError(
            broken(
                "limits.max_gross_frac",
                f"be at most venue.leverage {config.venue.leverage:g}",
                config.limits.max_gross_frac,
                where,
                "lower it",
            )
        )
    reach = min(config.limits.max_position_frac * len(instruments), config.limits.max_gross_frac)
    if config.venue.account == "cash" and reach > CASH_REACH_FRAC:
        rule = f"let a cash account hold at most {CASH_REACH_FRAC:g} of its equity, which pays fees and the move to the fill"
        raise ConfigError(broken("limits", rule, f"{reach:g}", where, "lower max_position_frac or max_gross_frac"))
    if config.venue.account == "cash" and any(i.rpartition(".")[0].endswith("-PERP") for i in instruments):
        raise ConfigError(broken("venue.account", "be margin for perpetuals", "cash", where))
    if config.venue.account == "cash" and config.training.short:
        raise ConfigError(broken("training.short", "be false on a cash account", "true", where, "use a margin account"))
    if config.training.action == "discrete7" and config.training.short:
        raise ConfigError(
            broken("training.short", "be false for discrete7, which is long-only", "true", where, "use continuous")
        )
    check_training(config, where)
    check_walk_forward(config, where)
    check_rehearsal(config, where)
    check_search(config, where)
    check_lifecycle(config, where)
    check_alerts(config, where)
