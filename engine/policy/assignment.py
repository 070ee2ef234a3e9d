"""Who decides: a champion, and at most one candidate in shadow or as a canary; each change makes a new assignment."""

from typing import Any, Literal

import msgspec

from engine.contract.errors import CheckFailed, broken

Stage = Literal["shadow", "canary"]
Event = Literal["shadow", "canary", "promote", "rollback"]


class Refused(CheckFailed):
    """A policy may not take the place that it was to take; the message says what must be and what was."""


class Seat(msgspec.Struct, frozen=True):
    """A policy that was verified.

    Attributes
    ----------
    policy
        `NAME@VERSION`.
    digest
        SHA-256 of its manifest, which covers every file of its folder.
    path
        Of its folder.
    contract
        Digest of its contract.
    expires_ns
        UTC ns, from which it may take no place any more; None: never.
    """

    policy: str
    digest: str
    path: str
    contract: str
    expires_ns: int | None = None

    @property
    def name(self) -> str:
        """Name without the version."""
        return self.policy.partition("@")[0]

    @property
    def version(self) -> str:
        """Version without the name."""
        return self.policy.partition("@")[2]


class Assignment(msgspec.Struct, frozen=True):
    """Who has which place.

    Attributes
    ----------
    champion
        Decides; None before the first promotion.
    candidate
        Is tried beside it; None: nobody is.
    stage
        Of the candidate; None without one.
    share
        Of the budget that a canary decides; 0 in shadow.
    former
        Champions before, the last one last; a rollback without a candidate brings that one back.
    """

    champion: Seat | None = None
    candidate: Seat | None = None
    stage: Stage | None = None
    share: float = 0.0
    former: tuple[Seat, ...] = ()

    @property
    def places(self) -> tuple[str | None, str | None, Stage | None, float]:
        """What tells two assignments apart for whoever trades on them."""
        seats = (None if one is None else one.digest for one in (self.champion, self.candidate))
        champion, candidate = seats
        return champion, candidate, self.stage, self.share

    def role(self, policy: str) -> str:
        """Return `champion`, `shadow`, `canary`, or "" for a policy that has no place."""
        if self.champion is not None and self.champion.policy == policy:
            return "champion"
        if self.candidate is not None and self.candidate.policy == policy:
            return str(self.stage)
        return ""


FORMER_KEPT = 16
"""Champions that are remembered for a rollback."""


def change(now: Assignment, event: Event, seat: Seat | None = None, share: float = 0.0) -> Assignment:
    """Return the assignment after an event.

    Parameters
    ----------
    seat
        Who it is about. A rollback of None, or of the candidate, takes the candidate away; without a candidate, or of the champion, it
        brings the champion before back.
    share
        Of a canary.

    Raises
    ------
    Refused
        The event does not fit what is.
    """
    match event:
        case "rollback":
            return _rolled_back(now, seat)
        case "promote":
            assert seat is not None
            if now.champion is not None and now.champion.digest == seat.digest:
                raise Refused(broken("promotion", "name another policy than the champion", seat.policy))
            former = (*now.former, now.champion)[-FORMER_KEPT:] if now.champion is not None else ()
            return Assignment(seat, former=tuple(one for one in former if one is not None))
        case "shadow" | "canary":
            assert seat is not None
            if now.champion is None:
                raise Refused(broken("candidate", "have a champion beside it", "none", seat.policy, "promote one"))
            if now.champion.digest == seat.digest:
                raise Refused(broken("candidate", "be another policy than the champion", seat.policy))
            return Assignment(now.champion, seat, event, share if event == "canary" else 0.0, now.former)


def _rolled_back(now: Assignment, seat: Seat | None) -> Assignment:
    of_candidate = now.candidate is not None and (seat is None or seat.policy == now.candidate.policy)
    if of_candidate:
        return Assignment(now.champion, former=now.former)
    named = "none" if seat is None else seat.policy
    if seat is not None and (now.champion is None or seat.policy != now.champion.policy):
        there = [one.policy for one in (now.champion, now.candidate) if one is not None]
        raise Refused(broken("rollback", f"name one of {', '.join(there) or 'nobody'}", named))
    if not now.former:
        raise Refused(broken("rollback", "have a champion to go back to", "none", named))
    return Assignment(now.former[-1], now.candidate, now.stage, now.share, now.former[:-1])


def to_document(assignment: Assignment) -> dict[str, Any]:
    """Return plain values."""
    return msgspec.to_builtins(assignment)


def from_document(document: dict[str, Any]) -> Assignment:
    """Read what `to_document` returned."""
    return msgspec.convert(document, Assignment)
