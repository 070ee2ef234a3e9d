"""The rows of limits and breakers, from the gate's headroom and the breaker's standing."""

from collections.abc import Iterable, Mapping

from engine.contract.config import Limits
from engine.risk.breaker import Breaker
from engine.risk.breaker_controls import ACCOUNT, BY_NAME, CONTROLS
from engine.risk.breaker_settings import BreakerSettings
from engine.risk.breaker_values import Standing, Trip
from live.monitoring.parts import BreakerStatus, LimitStatus

OF_INSTRUMENT = frozenset({"max_position_frac", "max_order_notional"})
"""Limits whose headroom belongs to an instrument; the others are of the account."""


def limit_rows(
    left: Mapping[str, Mapping[str, float]], limits: Limits, settings: BreakerSettings | None
) -> list[LimitStatus]:
    """Return limits with value, bound and headroom.

    Parameters
    ----------
    left
        Instrument id to limit to what is left of it, as `engine.risk.gate.headroom` tells it.
    settings
        Of the breaker, resolved; None where there is none.
    """
    rows: dict[tuple[str, str], LimitStatus] = {}
    for instrument_id, of_limit in left.items():
        for name, headroom in of_limit.items():
            bound = getattr(limits, name, None)
            if bound is None and settings is not None:
                bound = settings.limit(name)
            if bound is None:
                continue
            scope = instrument_id if name in OF_INSTRUMENT else ACCOUNT
            rows[name, scope] = LimitStatus(
                name=name, scope=scope, value=float(bound) - headroom, bound=float(bound), headroom=headroom
            )
    return sorted(rows.values(), key=lambda row: row.scope != ACCOUNT)


def breaker_rows(breaker: Breaker | None, standing: Standing | None, armed: list[BreakerStatus]) -> list[BreakerStatus]:
    """Return what stands, and those of the armed rows whose control has not been breached."""
    if breaker is None:
        return []
    trips: Iterable[Trip] = () if standing is None else standing.trips
    seen: Iterable[Trip] = () if standing is None else standing.unconfirmed
    rows = [_row(breaker, trip, trip.action) for trip in trips]
    rows += [_row(breaker, trip, "unconfirmed") for trip in seen]
    standing_controls = {row.control for row in rows}
    return rows + [row for row in armed if row.control not in standing_controls]


def armed_rows(breaker: Breaker | None) -> list[BreakerStatus]:
    """Return every control of a breaker that is on, as it is before it is breached."""
    if breaker is None:
        return []
    own = [control.name for control in CONTROLS if control.place == "breaker"]
    limits = {name: breaker.settings.limit(name) for name in own}
    return [_armed(breaker, name, limit) for name, limit in limits.items() if limit is not None or name == "manual"]


def _row(breaker: Breaker, trip: Trip, state: str) -> BreakerStatus:
    control = breaker.settings.control(trip.control)
    return BreakerStatus(
        control=trip.control,
        scope=trip.scope,
        state=state,  # type: ignore[arg-type]
        limit=trip.limit,
        value=trip.value,
        since_ns=trip.ts_event,
        meaning=control.meaning,
        unit=control.unit,
        release=control.release,
    )


def _armed(breaker: Breaker, name: str, limit: float | None) -> BreakerStatus:
    control = breaker.settings.control(name)
    return BreakerStatus(
        control=name,
        scope=ACCOUNT if BY_NAME[name].scope == "account" else "instrument",
        state="armed",
        limit=limit,
        value=None,
        since_ns=None,
        meaning=control.meaning,
        unit=control.unit,
        release=control.release,
    )
