"""Who may look and who may act: the token, sessions of those who gave it, and how often one may try."""

import hmac
import os
import secrets
import time
from collections.abc import Callable

from engine.contract.errors import UsageError, broken

VARIABLE = "HURACAN_DASHBOARD_TOKEN"
LEAST_LENGTH = 16
TRIES = 5
WINDOW_SECS = 60.0
SESSION_SECS = 12 * 3_600.0
MOST_SESSIONS = 256


class TooMany(Exception):
    """Too many wrong tokens came from there; the answer does not say whether this one was right."""


def make_token() -> tuple[str, bool]:
    """Return the token, and whether it was made just now: from the environment, or else random.

    Raises
    ------
    UsageError
        The one in the environment is too short.
    """
    given = os.environ.get(VARIABLE, "")
    if not given:
        return secrets.token_urlsafe(24), True
    if len(given) < LEAST_LENGTH:
        rule = f"have at least {LEAST_LENGTH} characters"
        raise UsageError(broken(VARIABLE, rule, len(given), remedy="leave it out, and one is made"))
    return given, False


class Guard:
    """Holds tokens to the right one, in constant time, and counts the wrong ones.

    Parameters
    ----------
    token
        The right one.
    clock
        Seconds that only rise.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token, self._clock = token.encode(), clock
        self._wrong: dict[str, list[float]] = {}
        self._sessions: dict[str, float] = {}

    def admits(self, given: str, origin: str) -> bool:
        """Tell whether a token is the right one.

        Parameters
        ----------
        origin
            Address that it came from.

        Raises
        ------
        TooMany
            Five wrong ones came from there within a minute; also where this one is right.
        """
        now = self._clock()
        for place, tries in list(self._wrong.items()):
            fresh = [at for at in tries if now - at < WINDOW_SECS]
            if fresh:
                self._wrong[place] = fresh
            else:
                del self._wrong[place]
        if len(self._wrong.get(origin, ())) >= TRIES:
            raise TooMany
        if hmac.compare_digest(given.encode(), self._token):
            self._wrong.pop(origin, None)
            return True
        self._wrong.setdefault(origin, []).append(now)
        return False

    def open_session(self) -> str:
        """Return a new session's secret; it tells nothing of the token."""
        now = self._clock()
        self._sessions = {key: at for key, at in self._sessions.items() if now - at < SESSION_SECS}
        while len(self._sessions) >= MOST_SESSIONS:
            del self._sessions[min(self._sessions, key=self._sessions.__getitem__)]
        made = secrets.token_urlsafe(32)
        self._sessions[made] = now
        return made

    def knows(self, session: str) -> bool:
        """Tell whether a session was opened here within half a day."""
        at = self._sessions.get(session)
        return at is not None and self._clock() - at < SESSION_SECS

    def close_session(self, session: str) -> None:
        """End a session."""
        self._sessions.pop(session, None)
