"""Promotion: a policy is given a place in the registry, or refused with the reason; both are rows of the history."""

import time
from pathlib import Path
from typing import Any, Literal

from engine.contract.errors import UsageError, broken
from engine.contract.lifecycle import MOST_SHARE
from engine.policy.admission import admit, seat_of
from engine.policy.assignment import Assignment, Refused, Seat
from engine.policy.history import REGISTRY, History, names
from engine.policy.registry import resolve

STAGES = {"shadow": 0, "canary": 1, "promote": 2}


def place(
    event: Literal["shadow", "canary", "promote"],
    source: str,
    by: str,
    why: str,
    *,
    share: float = 0.0,
    expires_ns: int | None = None,
    of: str | None = None,
    root: Path = REGISTRY,
) -> tuple[History, Assignment]:
    """Verify a policy and give it a place.

    Parameters
    ----------
    event
        Which place.
    source
        A policy folder or NAME@VERSION.
    by, why
        Who does it, and the reason.
    share
        Of a canary.
    expires_ns
        Wall clock, UTC ns; None: as it was registered, or never.
    of
        Name whose registry it enters; None: its own.
    root
        Folder of the registry.

    Raises
    ------
    Refused
        It may not take the place; the refusal is in the history.
    PolicyError
        There is no such policy.
    UsageError
        The share is not one.
    """
    if event == "canary" and not 0.0 < share <= MOST_SHARE:
        raise UsageError(broken("--share", f"be above 0 and at most {MOST_SHARE:g}", share))
    folder = resolve(source)
    history = History(of or folder.parent.name, root)
    before = history.assignment
    known = history.registered(f"{folder.parent.name}@{folder.name}")
    if expires_ns is None and known is not None:
        expires_ns = known.expires_ns
    evidence: dict[str, Any] = {"policy": source}
    try:
        session = admit(
            folder,
            before.champion,
            digest=None if known is None else known.digest,
            expires_ns=expires_ns,
            now_ns=time.time_ns(),
        )
        seat = seat_of(session, expires_ns)
        evidence |= {"stages_skipped": skipped(before, seat, event), "data": session.manifest.data}
        return history, history.append(event, seat, by, why, evidence, share)
    except Refused as error:
        history.append("refused", known, by, str(error), evidence | {"wanted": event})
        raise


def skipped(before: Assignment, seat: Seat, event: str) -> list[str]:
    """Return the stages that a policy did not pass on its way to a place; the first champion of a name has none to pass."""
    if before.champion is None:
        return []
    tried = before.candidate is not None and before.candidate.digest == seat.digest
    reached = STAGES[str(before.stage)] + 1 if tried else 0
    return [stage for stage, number in STAGES.items() if reached <= number < STAGES[event]]


def roll_back(
    source: str, by: str, why: str, *, of: str | None = None, root: Path = REGISTRY
) -> tuple[History, Assignment]:
    """Take a candidate's place away, or bring the champion before back.

    Parameters
    ----------
    source
        NAME: its candidate, or, without one, its champion. NAME@VERSION: that one, which must be candidate or champion.

    Raises
    ------
    Refused
        There is nothing to go back to, or the one that is named has no place.
    UsageError
        The name has no history.
    """
    name, _, version = source.partition("@")
    history = History(of or name, root)
    now = history.assignment
    if now.champion is None:
        known = ", ".join(names(root)) or "none"
        raise UsageError(broken("policy", f"be one with a champion: {known}", source, str(root)))
    seats = [one for one in (now.candidate, now.champion) if one is not None]
    seat = next((one for one in seats if version and one.policy == source), None)
    if version and seat is None:
        there = ", ".join(one.policy for one in seats)
        raise Refused(broken("rollback", f"name one of {there}", source))
    return history, history.append("rollback", seat or now.candidate or now.champion, by, why)
