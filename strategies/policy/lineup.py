"""The line-up of a run: its champion, the candidate on trial, and every change of places, each between two decisions.

A change is taken at the start of a decision, when all fills before it are known. What it needs was loaded and verified before; what is
refused then is noted with its reason, and the champion goes on.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.calendar import to_ns
from engine.contract.config import Venue
from engine.contract.errors import DataError, PolicyError
from engine.contract.lifecycle import Lifecycle, ScriptedChange
from engine.contract.messages import Turn
from engine.execution.tracker import AccountTracker
from engine.journal.journal import Entry, Journal
from engine.policy.admission import Sessions, admit, seat_of
from engine.policy.assignment import Assignment, Refused, Seat, change, from_document, to_document
from engine.policy.history import History
from engine.policy.registry import resolve
from engine.policy.session import PolicySession
from engine.policy.window import BarWindow
from strategies.base import Choice
from strategies.policy.pilot import Observer, Pilot
from strategies.policy.trial import Bound, Trial

Floats = NDArray[np.float64]
RULE, SCRIPT = "rule", "script"


class Note(msgspec.Struct, frozen=True):
    """One change of places, or one that was refused.

    Attributes
    ----------
    ts_event
        Event time of the decision before which it was taken, UTC ns.
    event
        `shadow`, `canary`, `promote`, `rollback`, or `refused`.
    policy
        Whom it is about; "" for a rollback that names nobody.
    by, why
        `rule`, `script`, or what the registry says.
    evidence
        Figures of the trial that ended, if one did.
    """

    ts_event: int
    event: str
    policy: str
    by: str
    why: str
    evidence: dict[str, float] = {}


class Lineup:
    """Who decides in a run.

    Parameters
    ----------
    terms
        [lifecycle].
    session
        The champion that the run begins with.
    venue
        Costs of the sleeves.
    names
        Instrument ids, in configuration order.
    executor
        As in `Pilot`.
    shadow
        Where decisions that no order follows from are written.

    Attributes
    ----------
    pilot
        The champion's.
    assignment
        Who has which place now.
    notes
        All changes so far.
    ts_event
        Of the last decision, UTC ns.
    """

    def __init__(
        self,
        terms: Lifecycle,
        session: PolicySession,
        venue: Venue,
        names: Sequence[str],
        executor: str = "own",
        shadow: Journal | None = None,
    ) -> None:
        self.terms, self.shadow = terms, shadow if shadow is not None else Journal()
        self.sessions = Sessions(session)
        self.pilot = Pilot(session, len(names), executor)
        self.assignment = Assignment(seat_of(session))
        self.notes: list[Note] = []
        self.ts_event = 0
        self.trial: Trial | None = None
        self._venue, self._names, self._executor = venue, list(names), executor
        self._pending: tuple[Assignment, str, str] | None = None
        self._events = [(to_ns(event.at), event, self._verified(event)) for event in terms.events]
        self._next = 0
        self._json = msgspec.json.Encoder()

    def _verified(self, event: ScriptedChange) -> Seat | str:
        """Return the seat of a scripted policy, loaded; or why it is refused."""
        if event.policy is None:
            return ""
        try:
            folder = resolve(event.policy)
            name = f"{folder.parent.name}@{folder.name}"
            known = History(folder.parent.name, Path(self.terms.registry)).registered(name)
            digest, expires_ns = (None, None) if known is None else (known.digest, known.expires_ns)
            seat = seat_of(admit(folder, seat_of(self.pilot.session), digest=digest), expires_ns)
            self.sessions.load(seat, 0)
        except (Refused, PolicyError) as error:
            return str(error)
        return seat

    @property
    def name(self) -> str:
        """The champion's name."""
        return self.pilot.session.manifest.name

    @property
    def version(self) -> str:
        """The champion's version; with a canary, its part beside: `2+0.1*3`."""
        own, trial = self.pilot.session.manifest.version, self.trial
        if trial is None or trial.stage == "shadow":
            return own
        other = trial.seat.version if trial.seat.name == self.name else trial.seat.policy
        return f"{own}+{trial.share:g}*{other}"

    def assign(self, assignment: Assignment, by: str, why: str) -> None:
        """Take an assignment at the next decision; the last one counts."""
        self._pending = (assignment, by, why)

    @property
    def wanted(self) -> Assignment:
        """The assignment that the next decision is made under, as far as is known."""
        return self.assignment if self._pending is None else self._pending[0]

    def capped(self, assignment: Assignment) -> Assignment:
        """Return the assignment with its share within `lifecycle.max_share`."""
        return msgspec.structs.replace(assignment, share=min(assignment.share, self.terms.max_share))

    def hear(self, turn: Turn) -> None:
        """Take in a turn's bars."""
        if self.trial is not None:
            self.trial.hear(turn)

    def begin(self, turn: Turn, account: AccountTracker) -> None:
        """Begin a decision: judge the trial, then take the changes that are due."""
        self.ts_event = ts_event = turn.ts_event
        trial = self.trial
        if trial is not None:
            trial.decide_at(ts_event)
            verdict = trial.verdict()
            if verdict is not None:
                self._ruled(ts_event, account, *verdict)
        if self._pending is not None:
            wanted, by, why = self._pending
            self._pending = None
            self._take(ts_event, account, self.capped(wanted), _named(self.assignment, wanted), by, why)
        while self._next < len(self._events) and self._events[self._next][0] <= ts_event:
            _, event, seat = self._events[self._next]
            self._next += 1
            self._scripted(ts_event, account, event, seat)

    def _scripted(self, ts_event: int, account: AccountTracker, event: ScriptedChange, seat: Seat | str) -> None:
        if isinstance(seat, str) and event.policy is not None:
            self.notes.append(Note(ts_event, "refused", event.policy, SCRIPT, seat))
            return
        whom = seat if isinstance(seat, Seat) else None
        share = self.terms.max_share if event.share is None else event.share
        try:
            wanted = change(self.assignment, event.event, whom, share)
        except Refused as error:
            self.notes.append(Note(ts_event, "refused", event.policy or "", SCRIPT, str(error)))
            return
        self._take(ts_event, account, wanted, (event.event, whom.policy if whom else ""), SCRIPT, "lifecycle.events")

    def _ruled(self, ts_event: int, account: AccountTracker, event: str, why: str) -> None:
        assert self.trial is not None
        seat = self.trial.seat
        wanted = change(self.assignment, "promote" if event == "promote" else "rollback", seat)
        self._take(ts_event, account, wanted, (event, seat.policy), RULE, why)

    def _take(
        self, ts_event: int, account: AccountTracker, wanted: Assignment, named: tuple[str, str], by: str, why: str
    ) -> None:
        """Give the places as wanted, all of them or none."""
        if wanted.champion is None or wanted.places == self.assignment.places:
            return
        trial, evidence = self.trial, {} if self.trial is None else self.trial.figures()
        now, seat = self.assignment.champion, wanted.candidate
        assert now is not None
        try:
            pilot = self.pilot
            if wanted.champion.digest != now.digest:
                session = self.sessions.load(wanted.champion, ts_event)
                tried = trial is not None and trial.seat.digest == wanted.champion.digest and trial.stage == "canary"
                smoothed = trial.pilot.smoothed if trial is not None and tried else self.pilot.smoothed
                pilot = self._pilot(session, smoothed)
            if seat is None:
                after = None
            elif trial is not None and _same(trial, seat, wanted) and pilot is self.pilot:
                trial.share, after = wanted.share, trial
            else:
                after = self._trial(seat, self.sessions.load(seat, ts_event), wanted, account, trial)
        except Refused as error:
            self.notes.append(Note(ts_event, "refused", named[1], by, str(error)))
            return
        self.pilot, self.trial, self.assignment = pilot, after, wanted
        self.notes.append(Note(ts_event, *named, by, why, evidence))

    def _pilot(self, session: PolicySession, smoothed: Floats) -> Pilot:
        pilot = Pilot(session, len(self._names), self._executor)
        pilot.smoothed = smoothed.copy()
        return pilot

    def _trial(
        self, seat: Seat, session: PolicySession, wanted: Assignment, account: AccountTracker, before: Trial | None
    ) -> Trial:
        assert wanted.stage is not None
        tried = before is not None and before.seat.digest == seat.digest
        smoothed = before.pilot.smoothed if before is not None and tried else self.pilot.smoothed
        pilot = self._pilot(session, smoothed)
        return Trial(seat, pilot, wanted.stage, wanted.share, account, self._venue, self.terms)

    def decide(
        self,
        turn: Turn,
        window: BarWindow,
        account: AccountTracker,
        budget_frac: Floats,
        exposure: Floats,
        ready: Sequence[int],
        bounded: Bound,
        observer: Observer | None = None,
    ) -> list[Choice]:
        """Ask whoever has a place, and return what the account is to hold.

        A candidate that fails loses its place at once, and the champion decides alone, as if it had never been asked.
        """
        trial, budget = self.trial, budget_frac * account.equity
        led: tuple[list[Choice], Floats] | None = None
        if trial is not None:
            try:
                led = trial.lead(trial.pilot, trial.candidate, turn, window, ready, bounded, budget_frac)
            except PolicyError as error:
                self._ruled(turn.ts_event, account, "rollback", str(error))
        if trial is None or led is None or trial.stage == "shadow":
            chosen = self.pilot.choose(turn, window, account, budget, exposure, ready, observer)
            if trial is not None and led is not None:
                trial.follow(chosen, exposure, bounded, budget_frac)
                self._write(turn, trial, led[0], trial.seat, trial.candidate, budget_frac, "shadow")
            return chosen
        own, at = trial.lead(self.pilot, trial.champion, turn, window, ready, bounded, budget_frac)
        champion = self.assignment.champion
        assert champion is not None
        turn.context["canary"] = {"share": trial.share, **trial.test.figures()}
        self._write(turn, trial, own, champion, trial.champion, budget_frac, "champion")
        self._write(turn, trial, led[0], trial.seat, trial.candidate, budget_frac, "canary")
        return trial.mix(own, led[0], (at, led[1]), exposure)

    def _write(
        self,
        turn: Turn,
        trial: Trial,
        choices: Sequence[Choice],
        seat: Seat,
        sleeve: Any,
        budget_frac: Floats,
        gate: str,
    ) -> None:
        context = self._json.encode({"trial": trial.figures()}).decode()
        for choice in choices:
            index = choice.instrument
            self.shadow.append(
                Entry(
                    turn.ts_event,
                    self._names[index],
                    turn.seq,
                    seat.name,
                    seat.version,
                    choice.observation_sha,
                    context,
                    choice.raw_action,
                    choice.action,
                    choice.confidence,
                    choice.target_exposure,
                    float(budget_frac[index] * sleeve.account.equity),
                    "{}",
                    gate,
                    "",
                    "",
                )
            )

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, the champion's smoothing too."""
        pending = None
        if self._pending is not None:
            pending = [to_document(self._pending[0]), *self._pending[1:]]
        return {
            "assignment": to_document(self.assignment),
            "pending": pending,
            "next": self._next,
            "notes": [msgspec.to_builtins(note) for note in self.notes],
            "smoothed": self.pilot.smoothed.copy(),
            "trial": None if self.trial is None else self.trial.state(),
        }

    def restore(self, state: dict[str, Any], account: AccountTracker) -> None:
        """Go on from a state.

        Parameters
        ----------
        account
            The real one, restored.

        Raises
        ------
        Refused
            A policy that has a place cannot be verified any more.
        DataError
            The state has no champion.
        """
        assignment = from_document(state["assignment"])
        if assignment.champion is None:
            raise DataError("state of the line-up must have a champion, was none; start a new run")
        self.assignment, self.trial = assignment, None
        self.pilot = self._pilot(self.sessions.load(assignment.champion, 0), np.array(state["smoothed"]))
        if assignment.candidate is not None:
            session = self.sessions.load(assignment.candidate, 0)
            self.trial = self._trial(assignment.candidate, session, assignment, account, None)
            self.trial.restore(state["trial"])
        pending = state["pending"]
        self._pending = None if pending is None else (from_document(pending[0]), pending[1], pending[2])
        self._next = int(state["next"])
        self.notes = [msgspec.convert(note, Note) for note in state["notes"]]


def _same(trial: Trial, seat: Seat, wanted: Assignment) -> bool:
    return trial.seat.digest == seat.digest and trial.stage == wanted.stage


def _named(now: Assignment, wanted: Assignment) -> tuple[str, str]:
    """Tell what leads from one assignment to another: the event, and whom it is about."""
    if now.champion != wanted.champion and wanted.champion is not None:
        back = bool(now.former) and now.former[-1].digest == wanted.champion.digest
        return "rollback" if back else "promote", wanted.champion.policy
    if wanted.candidate is not None:
        return str(wanted.stage), wanted.candidate.policy
    return "rollback", "" if now.candidate is None else now.candidate.policy
