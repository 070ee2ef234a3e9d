"""Following: a session goes with the registry's assignment between decisions, and tells the registry what its rules decided.

Candidates are loaded and verified in a thread of their own, off the way of decisions. Whatever goes wrong here is said, and the champion
goes on.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from engine.contract.errors import HuracanError
from engine.contract.lifecycle import Lifecycle
from engine.policy.assignment import Assignment, Event, Refused, Seat, to_document
from engine.policy.history import Current, History
from live.recording.rows import Assigned
from strategies.policy.lineup import RULE, Lineup, Note

LOOK_SECS = 0.2

Put = Callable[[Assigned], None]


class Follower:
    """Looks at the registry from time to time.

    Parameters
    ----------
    lineup
        Of the session.
    terms
        [lifecycle], with `follow`.
    run_id
        Of the session; rows that it adds carry it.
    put
        Takes an assignment to where the session takes everything that it hears.
    say
        Called with a line for a person.
    """

    def __init__(self, lineup: Lineup, terms: Lifecycle, run_id: str, put: Put, say: Callable[[str], None]) -> None:
        assert terms.follow is not None
        self._lineup, self._run_id, self._put, self._say = lineup, run_id, put, say
        self._history = History(terms.follow, Path(terms.registry))
        self._head = ""
        self._reported = 0
        self._said = ""

    async def run(self) -> None:
        """Look until it is cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECS)

    async def look(self) -> None:
        """Tell the registry what rules decided; then take what it says, if that is new."""
        try:
            self._report()
            now = self._history.current()
            if now is not None and now.head != self._head:
                self._head = now.head
                await self._take(now)
        except (HuracanError, OSError) as error:
            self._lament(error)

    def end(self) -> None:
        """Tell the registry what rules decided last."""
        try:
            self._report()
        except (HuracanError, OSError) as error:
            self._lament(error)

    def _lament(self, error: Exception) -> None:
        line = f"the registry is not followed: {error}"
        if line != self._said:
            self._say(line)
        self._said = line

    async def _take(self, now: Current) -> None:
        lineup = self._lineup
        wanted = lineup.capped(now.assignment)
        if wanted.champion is None or wanted.places == lineup.wanted.places:
            return
        try:
            await asyncio.to_thread(self._load, wanted)
        except Refused as error:
            self._say(f"refused: {error}")
            self._refuse(wanted.candidate or wanted.champion, str(error))
            return
        self._put(Assigned(time.time_ns(), lineup.ts_event, to_document(wanted), now.by, now.why))
        self._say(f"takes {_told(wanted)} from the next decision on: {now.by}, {now.why}")

    def _load(self, wanted: Assignment) -> None:
        for seat in (wanted.champion, wanted.candidate):
            if seat is not None:
                self._lineup.sessions.load(seat, self._lineup.ts_event)

    def _refuse(self, seat: Seat, why: str, ts_event: int | None = None) -> None:
        """Add a refusal, which changes no place, and count it as seen."""
        evidence = {"run": self._run_id} | ({} if ts_event is None else {"ts_event": ts_event})
        self._history.append("refused", seat, RULE, why, evidence)
        now = self._history.current()
        self._head = "" if now is None else now.head

    def _report(self) -> None:
        notes = self._lineup.notes
        while self._reported < len(notes):
            note = notes[self._reported]
            if note.by == RULE or note.event == "refused":
                self._tell(note)
            self._reported += 1

    def _tell(self, note: Note) -> None:
        """Add a row for what a rule decided here, unless it is there, or the registry has moved on."""
        rows, candidate = self._history.rows(), self._history.assignment.candidate
        key = (self._run_id, note.ts_event)
        told = any((row.evidence.get("run"), row.evidence.get("ts_event")) == key for row in rows)
        if told or candidate is None or candidate.policy != note.policy:
            return
        self._say(f"{note.event} of {note.policy}: {note.why}")
        if note.event == "refused":
            self._refuse(candidate, note.why, note.ts_event)
        elif note.event in ("rollback", "promote"):
            evidence = {**note.evidence, "run": self._run_id, "ts_event": note.ts_event}
            event: Event = "promote" if note.event == "promote" else "rollback"
            self._history.append(event, candidate, RULE, note.why, evidence)


def _told(assignment: Assignment) -> str:
    champion, candidate = assignment.champion, assignment.candidate
    assert champion is not None
    if candidate is None:
        return f"champion {champion.policy}"
    share = f" of {assignment.share:g}" if assignment.stage == "canary" else ""
    return f"champion {champion.policy}, {assignment.stage} {candidate.policy}{share}"
