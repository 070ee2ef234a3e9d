"""Admission: what a policy must show before it may take a place beside, or instead of, the one that trades."""

from pathlib import Path

from engine.contract.calendar import iso
from engine.contract.errors import PolicyError, broken
from engine.policy.assignment import Refused, Seat
from engine.policy.session import PolicySession

SHORT = 12
"""Digits of a digest that a message shows."""


def admit(
    folder: Path,
    beside: Seat | None = None,
    *,
    digest: str | None = None,
    expires_ns: int | None = None,
    now_ns: int = 0,
) -> PolicySession:
    """Verify a policy: its files, its graph, its golden vectors, its contract, its health, its age.

    Parameters
    ----------
    folder
        A policy folder.
    beside
        The champion, whose contract it must share; None: there is none.
    digest
        Of the manifest as it was registered; None: whatever it is.
    expires_ns, now_ns
        UTC ns; None never expires.

    Raises
    ------
    Refused
        Something is not as it must be; the message names both values.
    """
    try:
        session = PolicySession(folder)
    except PolicyError as error:
        raise Refused(str(error)) from error
    manifest = session.manifest
    if digest is not None and manifest.digest != digest:
        raise Refused(
            broken(
                "policy digest",
                f"be {digest[:SHORT]}, as registered",
                manifest.digest[:SHORT],
                session.name,
                "register it again as another version",
            )
        )
    if beside is not None and manifest.contract_digest != beside.contract:
        raise Refused(
            broken(
                "contract digest",
                f"be {beside.contract[:SHORT]}, that of {beside.policy}",
                manifest.contract_digest[:SHORT],
                session.name,
                "start a run of its own with it",
            )
        )
    if collapsed := manifest.evaluation.get("degenerate"):
        raise Refused(broken("policy", "not have collapsed", "; ".join(collapsed), session.name, "train otherwise"))
    if expires_ns is not None and now_ns >= expires_ns:
        rule = f"be used before {iso(expires_ns)}"
        raise Refused(broken("policy", rule, iso(now_ns), session.name, "train on newer data: huracan retrain"))
    return session


def seat_of(session: PolicySession, expires_ns: int | None = None) -> Seat:
    """Return the seat of a verified policy."""
    manifest = session.manifest
    return Seat(session.name, manifest.digest, str(session.folder), manifest.contract_digest, expires_ns)


class Sessions:
    """Verified sessions by their digest, each loaded once; whoever loads ahead of time keeps the loading off the decision path.

    Parameters
    ----------
    champion
        The session that the run began with.
    """

    def __init__(self, champion: PolicySession) -> None:
        self._beside = seat_of(champion)
        self._held = {champion.manifest.digest: champion}

    def load(self, seat: Seat, now_ns: int) -> PolicySession:
        """Return the session of a seat.

        Raises
        ------
        Refused
            As `admit`; a policy that expired since it was loaded is refused too.
        """
        session = self._held.get(seat.digest)
        if session is None or (seat.expires_ns is not None and now_ns >= seat.expires_ns):
            session = admit(
                Path(seat.path), self._beside, digest=seat.digest, expires_ns=seat.expires_ns, now_ns=now_ns
            )
            self._held[seat.digest] = session
        return session
