"""Keys of the exchange's one account, and the check of what was signed with them."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from live.rehearsal import refusals
from live.rehearsal.refusals import Refused

RECEIVE_WINDOW_MS = 5_000
AHEAD_MS = 1_000
NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class Keys:
    """A throwaway key and its secret, given by whoever starts the exchange; neither is printed."""

    api_key: str = field(repr=False)
    secret: str = field(repr=False)

    def verify(self, payload: str, signature: str) -> None:
        """Check an HMAC-SHA256 signature in hex; raises `Refused`."""
        wanted = hmac.new(self.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted, signature.lower()):
            raise Refused(-1022, "Signature for this request is not valid.")

    def known(self, api_key: str | None) -> None:
        """Check a key; raises `Refused`."""
        if not api_key:
            raise Refused(-2014, "API-key format invalid.", 401)
        if not hmac.compare_digest(api_key.encode(), self.api_key.encode()):
            raise Refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def unsigned(payload: str) -> tuple[str, str]:
    """What was signed, and its signature: a query string or form without its last part.

    >>> unsigned("symbol=BTCUSDT&timestamp=1&signature=ab")
    ('symbol=BTCUSDT&timestamp=1', 'ab')
    """
    rest, mark, signature = payload.rpartition("signature=")
    return (rest.rstrip("&"), signature) if mark else (payload, "")


def command_payload(params: Mapping[str, object]) -> str:
    """What a websocket command signs: its parameters by name, booleans as `false` and `true`.

    >>> command_payload({"b": True, "a": 1, "signature": "x"})
    'a=1&b=true'
    """
    return "&".join(f"{name}={plain(params[name])}" for name in sorted(params) if name != "signature")


def plain(value: object) -> str:
    """A JSON value as a parameter's text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


class Clocks:
    """Whether a request's timestamp fits one of the clocks that its client may go by.

    A client's clock is its machine's, or its machine's moved by what /time once told. The tape's time jumps, so the exchange accepts a
    timestamp that fits its own time, the machine's, or the time that it told last and what has passed since; a skew moves the first two.

    Parameters
    ----------
    tape_ns, machine_ns
        The two times; the second only serves this check.
    skew_ns
        What a fault adds to both.
    """

    def __init__(self, tape_ns: Callable[[], int], machine_ns: Callable[[], int], skew_ns: Callable[[], int]) -> None:
        self._tape_ns, self._machine_ns, self._skew_ns = tape_ns, machine_ns, skew_ns
        self._told: tuple[int, int] | None = None

    def tell(self, served_ns: int) -> None:
        """Note the time that a client was told."""
        self._told = (served_ns, self._machine_ns())

    def check(self, timestamp: str | None, window: str | None) -> None:
        """Check a timestamp in milliseconds; raises `Refused`."""
        if not timestamp:
            raise refusals.missing("timestamp")
        if not timestamp.isdecimal():
            raise refusals.illegal("timestamp")
        stamp, machine, skew = int(timestamp), self._machine_ns(), self._skew_ns()
        clocks = [self._tape_ns() + skew, machine + skew]
        if self._told is not None:
            clocks.append(self._told[0] + machine - self._told[1])
        allowed = int(window) if window and window.isdecimal() else RECEIVE_WINDOW_MS
        if not any(-AHEAD_MS < clock // NS_PER_MS - stamp <= allowed for clock in clocks):
            raise Refused(-1021, "Timestamp for this request is outside of the recvWindow.")
