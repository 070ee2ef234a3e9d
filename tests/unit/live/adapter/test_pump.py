import asyncio

from ccxt.base.errors import NetworkError, NotSupported

from live.adapter.core import pump as module
from live.adapter.core.notes import Notes
from live.adapter.core.pump import Poll, Pump


def run(work, secs: float):
    async def main():
        task = asyncio.ensure_future(work())
        await asyncio.wait({task}, timeout=secs)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


def source(*steps):
    """A watch that raises exceptions, returns values, and then is silent."""
    left = list(steps)

    async def watch():
        if not left:
            await asyncio.sleep(60)
        step = left.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step

    return watch


def test_what_is_watched_is_delivered_in_order():
    heard = []
    run(Pump("x", source(1, 2, 3), heard.append, Notes()).run, 0.05)
    assert heard == [1, 2, 3]


def test_gap_is_noted_at_once_resubscribed_and_filled(monkeypatch):
    monkeypatch.setattr(module, "FIRST_BACKOFF_SECS", 0.01)
    monkeypatch.setattr(module, "RESUMED_SECS", 0.01)
    heard, filled, broken, notes = [], [], [], Notes()

    async def recover():
        filled.append(len(heard))

    made = Pump(
        "x",
        source(1, NetworkError("gone"), 2),
        heard.append,
        notes,
        recover=recover,
        broken=lambda: broken.append(len(heard)),
    )
    run(made.run, 0.2)
    assert (heard, broken, made.gaps) == ([1, 2], [1], 1)
    assert filled == [2]
    assert [note.what for note in notes.all()] == ["gap", "recovered"]


def test_failed_recovery_is_asked_again(monkeypatch):
    monkeypatch.setattr(module, "FIRST_BACKOFF_SECS", 0.01)
    monkeypatch.setattr(module, "RESUMED_SECS", 0.01)
    tries, notes = [], Notes()

    async def recover():
        tries.append(1)
        if len(tries) < 3:
            raise NetworkError("still gone")

    run(Pump("x", source(NetworkError("gone"), 1), lambda _: None, notes, recover=recover).run, 0.3)
    assert len(tries) == 3
    assert [note.what for note in notes.all()].count("recovery failed") == 2


def test_mute_stream_is_broken_by_the_watchdog(monkeypatch):
    monkeypatch.setattr(module, "FIRST_BACKOFF_SECS", 0.01)
    revived, notes = [], Notes()
    run(Pump("x", source(1), lambda _: None, notes, silence_secs=0.05, revive=lambda: revived.append(1)).run, 0.12)
    assert revived
    assert notes.all("gap")[0].detail == "silent for 0.05 s"


def test_stream_that_stays_silent_is_left_alone_longer_each_time(monkeypatch):
    monkeypatch.setattr(module, "FIRST_BACKOFF_SECS", 0.001)
    notes = Notes()
    run(Pump("x", source(), lambda _: None, notes, silence_secs=0.02).run, 0.2)
    assert [note.detail for note in notes.all("gap")][:3] == [
        "silent for 0.02 s",
        "silent for 0.04 s",
        "silent for 0.08 s",
    ]


def test_future_that_ccxt_cancels_is_a_gap_and_not_our_end(monkeypatch):
    monkeypatch.setattr(module, "FIRST_BACKOFF_SECS", 0.01)
    heard, notes = [], Notes()
    steps = [asyncio.CancelledError(), 1]

    async def watch():
        if not steps:
            await asyncio.sleep(60)
        step = steps.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step

    run(Pump("x", watch, heard.append, notes).run, 0.2)
    assert heard == [1]
    assert notes.all("gap")[0].detail == "connection closed"


def test_stream_that_the_venue_has_not_ends_with_the_reason():
    made = Pump("x", source(NotSupported("no such stream")), lambda _: None, Notes())
    run(made.run, 0.1)
    assert made.failed == "NotSupported: no such stream"


def test_poll_goes_on_after_a_failure():
    heard, notes = [], Notes()
    run(Poll("x", source(NetworkError("gone"), 1), heard.append, notes, 0.01).run, 0.1)
    assert heard == [1]
    assert len(notes.all("poll failed")) == 1
