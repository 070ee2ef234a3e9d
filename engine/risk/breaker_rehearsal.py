"""The whole control table, drilled row by row."""

from engine.contract.config import Limits
from engine.risk.breaker_controls import CONTROLS
from engine.risk.breaker_drills import DRILLS, Bench, Drilled, drill_breaker, drill_manual, drill_repeated_execution
from engine.risk.breaker_questions import QUESTIONS, drill_gate
from engine.risk.breaker_settings import BreakerSettings


def drill_all(
    instruments: tuple[str, ...], settings: BreakerSettings, limits: Limits, bar_ns: int
) -> tuple[Drilled, ...]:
    """Drill the whole control table, in its order; what cannot be exercised here is named with the reason.

    Parameters
    ----------
    settings
        As configured; they are resolved against `limits` here.
    """
    bench = Bench(instruments, settings.resolved(limits), limits, bar_ns)
    drills = {drill.control: drill for drill in DRILLS}
    found: list[Drilled] = []
    for control in CONTROLS:
        if control.place == "venue":
            found.append(Drilled(control.name, None, 0, "lives at the venue or in another process"))
        elif control.name == "manual":
            found.append(drill_manual(bench))
        elif control.name == "repeated_execution":
            found.append(drill_repeated_execution(bench))
        elif control.name in drills:
            found.append(drill_breaker(bench, drills[control.name]))
        elif control.name in QUESTIONS:
            found.append(drill_gate(bench, control.name))
        else:
            found.append(Drilled(control.name, False, 0, "has no drill"))
    return tuple(found)
