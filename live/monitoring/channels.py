"""Channels: how a notice reaches a person; addresses come from the environment and are written nowhere.

An address is anything that apprise takes: `mailto://`, `tgram://`, `json://` and a hundred more; several in one variable are separated by
spaces. Sending happens in threads: a channel that hangs keeps neither the next look nor another channel waiting.
"""

import logging
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from engine.contract.alerts import LOG, variable_of
from engine.contract.errors import EnvironmentFault, broken
from live.monitoring.alerting import Notice

RETRY_SECS = (5.0, 15.0, 60.0, 300.0)
"""Rests before a channel that did not take a notice is tried again; after the last one it is given up."""

WORKERS = 4
Send = Callable[[str, str, str], bool]
"""Title, text and severity to whether it was taken."""


@dataclass
class _Waiting:
    notice: Notice
    channel: str
    tries: int
    due: float


class Channels:
    """Sends notices by name of channel.

    Parameters
    ----------
    named
        Channel to how it sends; see `of_environment`.
    clock
        Monotonic seconds.
    """

    def __init__(self, named: Mapping[str, Send], clock: Callable[[], float] = time.monotonic) -> None:
        self._named, self._clock = dict(named), clock
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="alerts")
        self._waiting: deque[_Waiting] = deque()
        self._running: list[tuple[_Waiting, Future[bool]]] = []

    def put(self, run_id: str, notices: Iterable[Notice]) -> None:
        """Send what names channels, as soon as a thread is free."""
        for notice in notices:
            for channel in notice.channels:
                self._begin(run_id, _Waiting(notice, channel, 0, 0.0))

    def _begin(self, run_id: str, one: _Waiting) -> None:
        notice = one.notice
        title = f"{run_id}: {notice.title}" + (" (nobody answered)" if notice.kind == "escalated" else "")
        self._running.append((one, self._pool.submit(self._named[one.channel], title, notice.text, notice.severity)))

    def tend(self, run_id: str) -> list[Notice]:
        """Take up what was sent, try again what was not taken, and return what was given up, as notices of kind `failed`."""
        failed, running = [], []
        for one, future in self._running:
            if not future.done():
                running.append((one, future))
            elif future.exception() is not None or not future.result():
                if one.tries == len(RETRY_SECS):
                    failed.append(_given_up(one))
                else:
                    due = self._clock() + RETRY_SECS[one.tries]
                    self._waiting.append(_Waiting(one.notice, one.channel, one.tries + 1, due))
        self._running = running
        for _ in range(len(self._waiting)):
            one = self._waiting.popleft()
            if one.due <= self._clock():
                self._begin(run_id, one)
            else:
                self._waiting.append(one)
        return failed

    def close(self, patience_secs: float = 10.0) -> None:
        """Wait for what is being sent; what hangs is left behind."""
        deadline = time.monotonic() + patience_secs
        while time.monotonic() < deadline and any(not future.done() for _, future in self._running):
            time.sleep(0.02)
        self._pool.shutdown(wait=False, cancel_futures=True)


def of_environment(names: Iterable[str], environment: Mapping[str, str] = os.environ) -> dict[str, Send]:
    """Return how each channel sends.

    Raises
    ------
    EnvironmentFault
        A channel's address is not in the environment, or apprise does not take it; the message does not repeat it.
    """
    found: dict[str, Send] = {}
    for name in dict.fromkeys(names):
        found[name] = _to_log if name == LOG else _apprise(name, environment)
    return found


def _apprise(name: str, environment: Mapping[str, str]) -> Send:
    variable = variable_of(name)
    addresses = environment.get(variable, "").split()
    if not addresses:
        raise EnvironmentFault(broken(f"channel {name}", f"have its address in {variable}", "absent", "[alerts]"))
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    """Its messages may name an address."""

    target = apprise.Apprise()
    for number, address in enumerate(addresses, start=1):
        if not target.add(address):
            raise EnvironmentFault(
                broken(f"address {number} of {variable}", "be one that apprise takes", "not", "[alerts]")
            )
    kinds = {
        "info": apprise.NotifyType.INFO,
        "warning": apprise.NotifyType.WARNING,
        "critical": apprise.NotifyType.FAILURE,
    }

    def send(title: str, text: str, severity: str) -> bool:
        return bool(target.notify(body=text, title=title, notify_type=kinds[severity]))

    return send


def _to_log(title: str, text: str, severity: str) -> bool:
    print(f"{severity}: {title}: {text}", file=sys.stderr, flush=True)
    return True


def _given_up(one: _Waiting) -> Notice:
    return Notice(
        ts_ns=time.time_ns(),
        kind="failed",
        key=one.notice.key,
        rule=one.notice.rule,
        severity=one.notice.severity,
        title=one.notice.title,
        text=f"not taken after {one.tries + 1} tries: {one.notice.text}",
        channels=[one.channel],
    )
