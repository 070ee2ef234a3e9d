"""The proof of recovery: sampled kills in both modes, and what they gave no occasion to see."""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from engine.contract.calendar import bar_ns
from engine.contract.config import Config, PolicySource
from engine.contract.errors import ConfigError, broken
from engine.policy.registry import resolve
from live.recovery.drill import Drill, Mode, Point, drill
from live.recovery.outcome import Left
from strategies.verification import Verdict

DAY_NS = 86_400_000_000_000
RULES = (
    "open order of ours",
    "filled while down",
    "ended while down",
    "intent that never arrived",
    "cancel that never arrived",
)
"""Rules of the table that a kill can bring about; the others need somebody else at the account."""


def recovery(
    config: Config, modes: Sequence[Mode], points: int, seed: int, bars: int, say: Callable[[str], None]
) -> Verdict:
    """Kill sessions at sampled steps, go on with them, and compare each with the one that was not killed.

    Parameters
    ----------
    points
        Sessions that are killed, in each mode.
    seed
        Of the sample.
    bars
        Length of the sessions.

    Raises
    ------
    ConfigError
        The configuration does not say when the sessions begin.
    CheckFailed
        The session that is not killed does not come to its end.
    """
    staged = staged_config(config, bars)
    checked, found, missing = 0, list[dict[str, str]](), list[str]()
    for mode in modes:
        one, done = drill(staged, mode, points, seed, say)
        checked += len(done)
        found += [
            {"mode": mode, "killed_at": " and ".join(point.steps), "what": problem}
            for point in done
            for problem in point.problems[:1]
        ]
        missing += not_exercised(one, done, mode)
    return Verdict(not found, checked, len(found), found[0] if found else None, missing)


def staged_config(config: Config, bars: int) -> Config:
    """Return a configuration for the drill: a stepped rehearsal of so many bars, with absolute paths."""
    if config.data.start is None:
        raise ConfigError(broken("data.start", "be given", "absent", "[data]", "say where the sessions begin"))
    end = config.data.start + dt.timedelta(microseconds=bars * bar_ns(config.universe.bar) / 1_000)
    if config.data.end is not None:
        end = min(end, config.data.end)
    data = msgspec.structs.replace(config.data, catalog=str(Path(config.data.catalog).absolute()), end=end)
    live = msgspec.structs.replace(config.live, rehearsal=True, on_stop="keep", dead_man_secs=None)
    free = {f"{name}_port": 0 for name in ("tls", "spot", "usdm", "control")}
    rehearsal = msgspec.structs.replace(config.rehearsal, pace="stepwise", state=None, withdrawals=False, **free)
    policy = config.policy
    if policy is not None:
        policy = PolicySource(path=str(Path(resolve(policy.path)).absolute()))
    return msgspec.structs.replace(config, data=data, live=live, rehearsal=rehearsal, policy=policy)


def not_exercised(one: Drill, points: Sequence[Point], mode: Mode) -> list[str]:
    """Name what the sessions gave no occasion to see."""
    assert one.plain is not None
    missing = [f"{mode}: {name}" for name, seen in _seen(one.plain).items() if not seen]
    killed = {step.split(" ", 1)[1] for point in points for step in point.steps}
    missing += [f"{mode}: a kill {kind}" for kind in sorted(set(one.steps) - killed)]
    if mode == "live":
        lines = "\n".join(line for point in points for line in point.lines)
        missing += [f"live: the rule {rule!r}" for rule in RULES if f'"{rule}"' not in lines]
        missing.append("live: whatever a real exchange does otherwise than the rehearsal exchange")
    return missing


def _seen(plain: Left) -> dict[str, bool]:
    """What the session that was not killed had, by name."""
    kinds = {order["wire_type"] for order in plain.told.get("orders", ())}
    fills = [fill["order_key"] for fill in plain.fills]
    days = {entry.ts_event // DAY_NS for entry in plain.journal}
    strays = any(row["order_key"].startswith("stray") for row in plain.orders)
    return {
        "a fill": bool(fills),
        "an order filled in parts": len(fills) > len(set(fills)),
        "a resting order": bool(kinds - {"MARKET"}) or (not kinds and strays),
        "a stop order": any("STOP" in kind for kind in kinds) or (not kinds and strays),
        "a trip of the breaker": bool(plain.changes),
        "a day's end": len(days) > 1,
    }
