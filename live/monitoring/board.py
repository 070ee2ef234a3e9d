"""The board of a session: gathers its status between decisions, and writes it twice a second and behind every decided turn.

A turn only notes that it was decided. Gathering happens in a task of the event loop when the orders of the turn have left, writing in a
thread: to replace a file may wait for the disk. Turns that follow each other faster than `LEAST_SECS`, as in a replay, share a snapshot.
"""

import asyncio
import os
import resource
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.calendar import NS_PER_SEC, bar_ns
from engine.contract.config import Config
from engine.contract.messages import Turn
from engine.contract.version import code_version
from engine.journal.journal import Entry, Journal
from engine.policy.session import PolicySession
from engine.risk.breaker_anchors import NS_PER_DAY
from live.control import read_latch
from live.monitoring.latencies import Latencies
from live.monitoring.parts import (
    CountStatus,
    DecisionStatus,
    GapStatus,
    HaltStatus,
    LatchStatus,
    MismatchStatus,
    OrderStatus,
    PositionStatus,
)
from live.monitoring.risk_rows import armed_rows, breaker_rows, limit_rows
from live.monitoring.status import Phase, Status, ticks_of_start, write_status
from live.monitoring.streams import Streams
from live.preflight import trained_until
from live.recording.rows import Received
from strategies.assembly import Assembly

EVERY_SECS = 0.5
AFTER_SECS = 0.02
"""Rest behind a turn, so that its orders leave first."""
LEAST_SECS = 0.1
"""Turns that come faster than this share a snapshot, so that a replay is not slowed down."""

REFUSED = ("denied", "rejected", "refused")


@dataclass(frozen=True)
class Origin:
    """What a session is, and where it writes."""

    run_id: str
    mode: str
    folder: Path
    latch: Path
    config: Config
    policy: PolicySession | None


class Board:
    """Writes the status of one session.

    Parameters
    ----------
    origin
        What the session is.
    assembly
        Whose account, orders, breaker and journal are looked at; nothing is changed.
    say
        Called with a line for a person.

    Attributes
    ----------
    phase
        What the session is at.
    streams, latencies
        What came, and how long steps took.
    written
        Snapshots so far.
    """

    def __init__(self, origin: Origin, assembly: Assembly, say: Callable[[str], None] = lambda _: None) -> None:
        config = origin.config
        self.phase: Phase = "starting"
        self.streams, self.latencies = Streams(list(config.universe.instruments)), Latencies()
        self.written = 0
        self._origin, self._assembly, self._say = origin, assembly, say
        self._journal: Journal = assembly.journal
        self._identity = _identity(origin)
        self._armed = armed_rows(assembly.strategy.mandate.breaker)
        self._due = asyncio.Event()
        self._bar_ns = bar_ns(config.universe.bar)
        self._turn_ns = self._turns = self._refused = 0
        self._gaps = GapStatus()
        self._orders_seen = self._rejected = 0
        self._differed: dict[str, MismatchStatus] = {}
        self._unanswered: dict[str, Any] = {}
        self._failed = self._over = False
        self._writing = threading.Lock()

    def hear(self, item: Received) -> None:
        """Note one piece of data that was received."""
        self.streams.hear(item)

    def decided(self, turn: Turn) -> None:
        """Note a decided turn, and let a snapshot follow."""
        now = time.perf_counter()
        if self.streams.last_bar is not None:
            self.latencies.add("bar received to decision", (now - self.streams.last_bar) * 1e3)
        if not self._origin.config.live.rehearsal:
            self.latencies.add("bar close to decision", (time.time_ns() - turn.ts_event) / 1e6)
        self._note_gaps(turn)
        self._turns += 1
        self._turn_ns = turn.ts_event
        for entry in self._journal.latest.values():
            if entry.ts_event == turn.ts_event and entry.gate.startswith("refused"):
                self._refused += 1
        self._due.set()

    def _note_gaps(self, turn: Turn) -> None:
        gaps, names = self._gaps, self._origin.config.universe.instruments
        missing = [name for name, row in zip(names, turn.rows) if row is None]
        skipped = 0
        if self._turn_ns:
            skipped = max(0, (turn.ts_event - self._turn_ns) // self._bar_ns - 1)
        if missing or skipped:
            self._gaps = GapStatus(
                missing_bars=gaps.missing_bars + len(missing),
                skipped_turns=gaps.skipped_turns + skipped,
                last_ns=turn.ts_event,
                last_instruments=missing,
            )

    def begin(self) -> "asyncio.Task[None]":
        """Write from now on, beside what else the event loop does; should that fail, it is told, and trading goes on."""

        def ended(task: "asyncio.Task[None]") -> None:
            if not task.cancelled() and task.exception() is not None:
                self._say(f"the status is not written any more: {task.exception()!r}")

        task = asyncio.get_running_loop().create_task(self.run())
        task.add_done_callback(ended)
        return task

    def end(self, writing: "asyncio.Task[None]") -> None:
        """Write a last snapshot, and no more after it; the process may then be busy with its report."""
        writing.cancel()
        self.phase = "ending"
        self._write(self.status(), last=True)

    async def run(self) -> None:
        """Write a snapshot when one is due, until cancelled; only gathering it takes time of the event loop."""
        while True:
            began = time.monotonic()
            await asyncio.to_thread(self._write, self.status())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), EVERY_SECS)
            if self._due.is_set():
                await asyncio.sleep(max(AFTER_SECS, LEAST_SECS - (time.monotonic() - began)))
                self._due.clear()

    def _write(self, status: Status, last: bool = False) -> None:
        """Write a snapshot; a disk that does not take it is told once, and stops no trading. To replace a file may wait for the disk."""
        with self._writing:
            if self._over:
                return
            self._over = last
            try:
                write_status(self._origin.folder, status)
                self.written += 1
            except OSError as error:
                if not self._failed:
                    self._say(f"the status is not written: {error}")
                self._failed = True

    def status(self) -> Status:
        """Return the status as of now."""
        assembly, origin = self._assembly, self._origin
        strategy, account = assembly.strategy, assembly.strategy.account
        mids, balances = self.streams.mids(self._turn_ns), strategy.balances()
        positions, moved = self._positions(mids)
        if balances is None:
            equity = account.equity
        elif strategy.mandate.venue.account == "margin":
            equity = balances[1] + sum(one.unrealised for one in positions)
        else:
            equity = balances[0] + moved
        day_equity = account.day_equity
        if self._turn_ns and self.streams.event_ns // NS_PER_DAY > self._turn_ns // NS_PER_DAY:
            day_equity = account.equity
        if equity > 0.0:
            positions = [_with_exposure(one, equity) for one in positions]
        gross, net = sum(abs(one.notional) for one in positions), sum(one.notional for one in positions)
        peak = max(account.peak_equity, equity)
        latch = read_latch(origin.latch)
        breaker = strategy.mandate.breaker
        standing = None if breaker is None else breaker.standing(strategy.decided_ns)
        left = {spec.instrument_id: strategy.left(index) for index, spec in enumerate(strategy.mandate.instruments)}
        return Status(
            **self._identity,
            phase=self.phase,
            wall_ns=time.time_ns(),
            event_ns=max(self.streams.event_ns, self._turn_ns),
            turn_ns=self._turn_ns,
            equity=equity,
            cash=account.equity - account.unrealised if balances is None else balances[1],
            start_equity=account.start_equity,
            peak_equity=peak,
            day_equity=day_equity,
            day_pnl=equity - day_equity,
            drawdown_frac=1.0 - equity / peak if peak > 0.0 else None,
            gross_frac=gross / equity if equity > 0.0 else None,
            net_frac=net / equity if equity > 0.0 else None,
            positions=positions,
            orders=self._open_orders(),
            decisions=[decision_row(entry) for entry in self._journal.latest.values()],
            limits=limit_rows(left, origin.config.limits, None if breaker is None else breaker.settings),
            breakers=breaker_rows(breaker, standing, self._armed),
            breaker_state="off" if standing is None else standing.state,
            latch=None if latch is None else LatchStatus(by=latch.by, reason=latch.reason, ts_ns=latch.ts_ns),
            halted=strategy.halted,
            streams=self.streams.status(),
            gaps=self._gaps,
            latencies=self._latencies(),
            counts=CountStatus(
                turns=self._turns,
                decisions=len(self._journal),
                orders=len(assembly.blotter.orders),
                orders_today=account.orders_today,
                refused=self._refused,
                rejected=self._rejected,
                fills=len(assembly.blotter.fills),
            ),
            memory_bytes=resident_bytes(),
            halts=self._halts(),
            mismatches=self._mismatches(),
        )

    def _positions(self, mids: dict[str, float]) -> tuple[list[PositionStatus], float]:
        """Return the positions, and what they earned from the last closes to the marks, quote."""
        account, rows, moved = self._assembly.strategy.account, [], 0.0
        heard = self._turn_ns > 0
        for index, spec in enumerate(self._assembly.strategy.mandate.instruments):
            quantity, close = float(account.quantity[index]), float(account.close[index])
            mark = mids.get(spec.instrument_id, close if heard else None)
            entry = float(account.entry_price[index]) if quantity else None
            if mark is not None and heard:
                moved += quantity * (mark - close)
            rows.append(
                PositionStatus(
                    instrument_id=spec.instrument_id,
                    quantity=quantity,
                    entry_price=entry,
                    mark=mark,
                    notional=quantity * (mark or 0.0),
                    unrealised=0.0 if entry is None or mark is None else quantity * (mark - entry),
                    exposure_frac=None,
                    bars_held=int(account.bars_held[index]),
                )
            )
        return rows, moved

    def _halts(self) -> list[HaltStatus]:
        halts = getattr(self._assembly.strategy, "halts", None)
        standing = {} if halts is None else halts.state()
        return [HaltStatus(scope=scope, reason=one[0], flatten=one[1]) for scope, one in standing.items()]

    def _mismatches(self) -> list[MismatchStatus]:
        """A fill moves the engine's position before the strategy hears of it: only what stands at two snapshots is told."""
        strategy = self._assembly.strategy
        found = {
            spec.instrument_id: MismatchStatus(instrument_id=spec.instrument_id, ours=ours, engine=engine)
            for spec, ours, engine in zip(
                strategy.mandate.instruments, strategy.account.quantity.tolist(), strategy.engine_quantities()
            )
            if abs(ours - engine) > 0.5 * spec.lot
        }
        standing = [one for name, one in found.items() if self._differed.get(name) == one]
        self._differed = found
        return standing

    def _open_orders(self) -> list[OrderStatus]:
        rows, book = [], self._assembly.blotter.orders
        for key, quantity in self._assembly.strategy.open_quantities().items():
            order = book.get(key)
            if order is not None:
                rows.append(
                    OrderStatus(
                        order_key=key,
                        client_order_id=order.client_order_id,
                        instrument_id=order.instrument_id,
                        quantity=quantity,
                        price=order.decision_price,
                        state=order.status,
                        decided_ns=order.ts_decided,
                    )
                )
        return rows

    def _latencies(self) -> list[Any]:
        """Take up the orders that came since the last snapshot, and ask the engine for the times of those that are not answered."""
        strategy, book = self._assembly.strategy, self._assembly.blotter.orders
        fresh = max(0, len(book) - self._orders_seen)
        for order in islice(reversed(book.values()), fresh):
            self._unanswered[order.order_key] = order.client_order_id
        self._orders_seen = len(book)
        for key, client_order_id in list(self._unanswered.items()):
            times = strategy.order_times(client_order_id)
            row = book.get(key)
            if times is not None and times[1] and times[2]:
                self.latencies.add("decision to order", (times[1] - times[0]) / 1e6)
                self.latencies.add("order to answer", (times[2] - times[1]) / 1e6)
            elif row is not None and row.status in ("held", "submitted"):
                continue
            self._rejected += row is not None and row.status.startswith(REFUSED)
            del self._unanswered[key]
        return self.latencies.status()


def _identity(origin: Origin) -> dict[str, Any]:
    config, policy = origin.config, origin.policy
    until = None if policy is None else trained_until(policy.manifest.data)
    most = config.live.max_policy_age_days
    pid = os.getpid()
    return {
        "run_id": origin.run_id,
        "mode": origin.mode,
        "seen": "running",
        "pid": pid,
        "started_ticks": ticks_of_start(pid),
        "started_ns": time.time_ns(),
        "exchange": config.live.exchange,
        "market": config.live.market,
        "rehearsal": config.live.rehearsal,
        "strategy": config.strategy_name,
        "policy": None if policy is None else policy.name,
        "policy_digest": None if policy is None else policy.manifest.digest,
        "policy_until_ns": until,
        "policy_expires_ns": None if until is None or most is None else until + most * 86_400 * NS_PER_SEC,
        "code_version": code_version(),
        "bar": config.universe.bar,
        "instruments": list(config.universe.instruments),
        "currency": config.venue.currency,
    }


def decision_row(entry: Entry) -> DecisionStatus:
    """Return a row of the journal as viewers take it."""
    return DecisionStatus(
        instrument_id=entry.instrument_id,
        ts_event=entry.ts_event,
        raw_action=entry.raw_action,
        action=entry.action,
        confidence=entry.confidence,
        target_exposure=entry.target_exposure,
        budget=entry.budget,
        gate=entry.gate,
        order_key=entry.order_key,
        observation_sha=entry.observation_sha,
        context=msgspec.json.decode(entry.context) if entry.context else {},
        missing=[name for name in entry.missing.split(",") if name],
    )


def _with_exposure(position: PositionStatus, equity: float) -> PositionStatus:
    return msgspec.structs.replace(position, exposure_frac=position.notional / equity)


def resident_bytes() -> int:
    """Return the resident memory of this process; where the kernel does not tell, the largest it had."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
