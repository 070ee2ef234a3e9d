"""The one list of actors and strategy, the same for back test, paper and live."""

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from engine.actors.signal import SignalActor
from engine.contract.calendar import bar_ns
from engine.contract.config import Config, PolicySource
from engine.contract.errors import ConfigError, PolicyError, broken
from engine.contract.instrument import InstrumentSpec
from engine.contract.messages import Turn
from engine.journal.blotter import Blotter
from engine.journal.journal import Journal
from engine.journal.state import Component
from engine.policy.registry import resolve
from engine.policy.session import PolicySession
from engine.risk.breaker import Breaker
from engine.risk.breaker_settings import parse
from engine.risk.drift import Drift
from engine.risk.drift import parse as parse_drift
from engine.risk.novelty import REFERENCE, Reference
from engine.signals import settings as signal_settings
from engine.signals.history import settings_of
from engine.signals.signal import Signal
from strategies.base import GatedStrategy
from strategies.breaking import BreakerActor
from strategies.conductor import Conductor
from strategies.mandate import Mandate
from strategies.signals import signals_of

if TYPE_CHECKING:
    from strategies.policy.lineup import Lineup

BASELINES = {
    "cash": "strategies.baselines.cash:Cash",
    "buy_and_hold": "strategies.baselines.buy_and_hold:BuyAndHold",
    "volatility_target": "strategies.baselines.volatility_target:VolatilityTarget",
    "trend": "strategies.baselines.trend:Trend",
    "random": "strategies.baselines.random:Random",
}
RULE_WARM_UP_BARS = 200
"""Bars before the span that a rule-based strategy hears."""


@dataclass(frozen=True)
class Assembly:
    """What is added to a node, and where it writes."""

    conductor: Conductor
    actors: tuple[Any, ...]
    strategy: GatedStrategy
    journal: Journal
    blotter: Blotter
    lineup: "Lineup | None" = None

    @cached_property
    def components(self) -> dict[str, Component]:
        """Whoever remembers something from turn to turn: all that have a `name`, `state` and `restore`, by name."""
        return {part.name: part for part in (*self.actors, self.strategy) if hasattr(part, "restore")}

    def end_turn(self, turn: Turn) -> None:
        """End a turn that all have heard in the journal, and let its orders leave; one in which a component raised is not ended."""
        for part in (*self.actors, self.strategy):
            if part.failure is not None:
                if self.strategy.mandate.mode == "live":
                    self.journal.undo_turn()
                return
        if self.lineup is not None:
            self.lineup.shadow.end_turn(turn.ts_event, {})
        self.journal.end_turn(turn.ts_event, self.components)
        self.strategy.send_decided()


def load_session(config: Config) -> PolicySession | None:
    """Load and verify the configured policy; None for a strategy that has none."""
    if config.strategy_name != "policy":
        return None
    if config.policy is None:
        raise ConfigError(
            broken("policy.path", "name a policy for strategy policy", "absent", "[policy]", "huracan policy list")
        )
    return PolicySession(resolve(config.policy.path))


def pinned(config: Config, session: PolicySession | None) -> Config:
    """Return the configuration with the version of its policy, where it names none: whoever runs it again takes the same one.

    A name without a version is another policy tomorrow, when another one was promoted or trained.
    """
    if session is None or config.policy is None or config.policy.path != session.manifest.name:
        return config
    path = session.name if resolve(session.name) == session.folder else str(session.folder)
    return msgspec.structs.replace(config, policy=PolicySource(path=path))


def warm_up_bars(session: PolicySession | None) -> int:
    """Bars before the span that the strategy hears."""
    return RULE_WARM_UP_BARS if session is None else session.contract.window


def strategy_class(name: str) -> type[GatedStrategy]:
    """Find a strategy by its name, or by a module path `package.module:Class`.

    Raises
    ------
    ConfigError
        No such module or class, or one that is not built on the gated base.
    """
    module, _, attribute = BASELINES.get(name, name).partition(":")
    known = ", ".join(["policy", *BASELINES, "or package.module:Class"])
    if not attribute:
        raise ConfigError(broken("strategy.name", f"be one of {known}", name, "[strategy]"))
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(broken("strategy.name", f"be one of {known}", f"{name} ({error})", "[strategy]")) from error
    if not (isinstance(found, type) and issubclass(found, GatedStrategy)):
        raise ConfigError(broken("strategy.name", "be a subclass of strategies.base.GatedStrategy", name, "[strategy]"))
    return found


def assemble(
    config: Config,
    instruments: tuple[InstrumentSpec, ...],
    bar_types: list[str],
    first_decision_ns: int,
    session: PolicySession | None,
    *,
    holds_orders: bool = True,
    deadline_ns: int | None = 0,
    journal: Journal | None = None,
    measured_quotes: bool = False,
    order_prefix: str = "",
    links: Callable[[], Mapping[str, int]] | None = None,
    mode: Literal["backtest", "paper", "live"] = "backtest",
    shadow: Journal | None = None,
) -> Assembly:
    """Compose conductor, actors and strategy.

    Parameters
    ----------
    instruments, bar_types
        In configuration order.
    first_decision_ns
        Turns that close at or before this time only warm up.
    session
        The verified policy; None for a rule-based strategy.
    holds_orders
        True in back test and replay.
    deadline_ns
        How long a turn waits for missing bars; None: whoever feeds the node says when it waits no longer.
    journal
        Where decisions are written; None keeps them in memory.
    measured_quotes, order_prefix, links, mode
        As in `strategies.mandate.Mandate`.
    shadow
        Where decisions of candidates are written, if the configuration has a [lifecycle]; None keeps them in memory.
    """
    _check_quotes(config, instruments)
    drift = _drift(config, session)
    journal = Journal() if journal is None else journal
    blotter = Blotter([spec.instrument_id for spec in instruments])
    mandate = Mandate(
        instruments,
        config.universe.bar,
        config.venue,
        config.limits,
        Path(config.data.catalog),
        config.run.seed,
        holds_orders,
        journal,
        blotter,
        _breaker(config, instruments),
        signal_settings.parse(config.actors),
        measured_quotes,
        order_prefix,
        links,
        mode,
        drift is not None and drift.acts,
    )
    signals = signals_of(config)
    parameters = {key: value for key, value in config.strategy.items() if key != "name"}
    strategy: GatedStrategy
    lineup = None
    if session is None:
        strategy = strategy_class(config.strategy_name)(mandate, parameters)
    else:
        lineup = lineup_of(config, session, shadow)
        strategy = _policy_strategy(mandate, parameters, session, signals, lineup)
    conductor = Conductor(bar_types, first_decision_ns, deadline_ns)
    actors: list[Any] = [conductor, *map(SignalActor, signals)]
    if drift is not None:
        actors.append(SignalActor(drift))
    if mandate.breaker is not None:
        actors.append(BreakerActor(mandate.breaker, blotter, strategy.reading))
    assembly = Assembly(conductor, tuple(actors), strategy, journal, blotter, lineup)
    conductor.after = assembly.end_turn
    return assembly


def _drift(config: Config, session: PolicySession | None) -> Drift | None:
    """Return the watch of [actors.drift]; None where it is off, and for a rule, which was trained on nothing, without a reference."""
    settings = parse_drift(config.actors)
    if settings is None or (session is None and settings.reference is None):
        return None
    folder = Path() if session is None else session.folder
    path = folder / REFERENCE if settings.reference is None else Path(settings.reference)
    return Drift(len(config.universe.instruments), Reference.load(path), settings)


def _breaker(config: Config, instruments: tuple[InstrumentSpec, ...]) -> Breaker | None:
    section = config.actors.breaker
    settings = None if section is None else parse(section)
    if settings is None or not settings.enabled:
        return None
    names = [spec.instrument_id for spec in instruments]
    return Breaker(names, settings.resolved(config.limits), bar_ns(config.universe.bar))


def lineup_of(config: Config, session: PolicySession, shadow: Journal | None = None) -> "Lineup | None":
    """Return the line-up that [lifecycle] asks for; None without the section."""
    if config.lifecycle is None:
        return None
    from strategies.policy.lineup import Lineup

    executor = config.strategy.get("executor", "own")
    return Lineup(config.lifecycle, session, config.venue, config.universe.instruments, executor, shadow)


def _policy_strategy(
    mandate: Mandate,
    parameters: dict[str, Any],
    session: PolicySession,
    signals: list[Signal],
    lineup: "Lineup | None" = None,
) -> GatedStrategy:
    from strategies.policy.strategy import PolicyStrategy

    known = {spec.name for spec in session.contract.inputs} - {"context"}
    if known != {"bars", "position", "portfolio"}:
        raise PolicyError(
            broken("policy inputs", "be bars, position, portfolio", sorted(known), session.name, "export it again")
        )
    _check_signals(session, settings_of(signals))
    return PolicyStrategy(mandate, parameters, session, lineup)


def _check_signals(session: PolicySession, configured: dict[str, dict[str, Any]]) -> None:
    """Refuse a policy whose context would be made otherwise than it was in training."""
    for name, trained in session.contract.signals.items():
        section, found = f"actors.{name}", configured.get(name)
        if found is None:
            raise PolicyError(broken(section, f"be enabled for {session.name}, which sees it", "absent", "[actors]"))
        # What a policy carries came through JSON: tuples are lists there.
        found = msgspec.json.decode(msgspec.json.encode(found))
        if found != trained:
            key = next(key for key in trained if found.get(key) != trained[key])
            rule = f"be {trained[key]}, as {session.name} was trained with"
            raise PolicyError(broken(f"{section} {key}", rule, found.get(key), "[actors]", "train again, or set it so"))


def _check_quotes(config: Config, instruments: tuple[InstrumentSpec, ...]) -> None:
    for spec in instruments:
        if spec.quote != config.venue.currency:
            rule = f"be in {spec.quote}, the quote currency of {spec.instrument_id}"
            raise ConfigError(broken("venue.balance", rule, config.venue.balance, "[venue]"))
