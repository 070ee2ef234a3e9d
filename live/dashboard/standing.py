"""What stops new risk now, as a list that says of each how it ends: halts by hand, breakers, latches."""

from typing import NamedTuple

from engine.risk.breaker import ALL
from engine.risk.breaker_controls import ACCOUNT
from live.dashboard.acting import Deed, standing_latch
from live.dashboard.source import Source
from live.dashboard.wording import measured, moment, words
from live.steering import Entry
from strategies.steering import BY_HAND

ENDS = {"recovery": "by itself, when the measure is good again", "day": "at 00:00 UTC", "person": "by a person"}


def place_of(scope: str) -> str:
    """Name a scope for a person."""
    return {ACCOUNT: "Whole account", ALL: "Everything that stands"}.get(scope, scope)


class Standing(NamedTuple):
    """One thing that stands.

    Attributes
    ----------
    control, scope, deed
        What would clear it.
    clears
        Whether a person can clear it here.
    strong
        Whether it also closes positions.
    """

    control: str
    scope: str
    title: str
    detail: str
    deed: Deed = "resume"
    clears: bool = True
    strong: bool = False


def standing_of(source: Source) -> list[Standing]:
    """Return what stands, halts by hand first."""
    found = by_hand(source.controls) if source.running else []
    status = source.status
    for one in status.breakers:
        if one.state in ("reduce", "halt"):
            under = "under" if one.control in ("equity", "entropy", "confidence") else "over"
            does = "no new risk, closing" if one.state == "halt" else "no new risk"
            detail = (
                f"{place_of(one.scope)}: {measured(one.value, one.unit)} {under} {measured(one.limit, one.unit)},"
                f" {does} since {moment(one.since_ns)} UTC;"
                f" ends {ENDS.get(one.release, one.release)}"
            )
            found.append(
                Standing(one.control, one.scope, f"Breaker: {words(one.control)}", detail, strong=one.state == "halt")
            )
    if source.running and status.halted:
        found.append(Standing("", "account", "The session is ending", status.halted, clears=False, strong=True))
    latch = standing_latch(source)
    if latch is not None:
        when = f", {moment(latch.ts_ns)} UTC" if latch.ts_ns else ""
        detail = f"{latch}{when}; no session starts on this account before somebody clears it"
        found.append(
            Standing("latch", "account", "Latch of the account", detail, "clear_latch", not source.running, True)
        )
    return found


def by_hand(controls: list[Entry]) -> list[Standing]:
    """Return the halts by hand that stand, from the journal of controls: those that were done and not cleared since."""
    halts: dict[str, Standing] = {}
    for asked, answered in controls:
        if answered is None or not answered.done:
            continue
        if asked.verb == "resume":
            if asked.control in ("", BY_HAND):
                for scope in list(halts) if asked.scope == "all" else [asked.scope]:
                    halts.pop(scope, None)
            continue
        if asked.verb == "clear_latch":
            continue
        before = halts.get(asked.scope)
        closes = asked.verb == "flatten" or (before is not None and before.strong)
        why = f": {asked.reason}" if asked.reason else ""
        what = "no new risk, positions are closed" if closes else "no new risk, positions are kept"
        detail = f"{place_of(asked.scope)}: {what}; by {asked.by}, {moment(asked.ts_ns)} UTC{why}"
        title = "Flattened by hand" if closes else "Halted by hand"
        halts[asked.scope] = Standing(BY_HAND, asked.scope, title, detail, strong=closes)
    return list(halts.values())
