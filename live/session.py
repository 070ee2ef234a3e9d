"""A session: an assembly on an exchange, from its warm-up to its clean stop, with everything received on tape."""

import asyncio
import gc
import time
from contextlib import suppress
from typing import Any

import numpy as np
from nautilus_trader.model import Bar

from catalogs.storage import bar_type
from engine.contract.calendar import iso
from engine.contract.config import Config
from engine.contract.errors import UsageError
from engine.contract.messages import Turn
from engine.journal.journal import Journal
from engine.journal.order_log import OrderLog
from engine.journal.run import LOG
from engine.journal.store import StoredJournal
from engine.policy.session import PolicySession
from live.connection import Connection
from live.control import Halted, read_latch
from live.drifting import DriftFile
from live.exchange import ExchangeConnection
from live.feeding import Feeder, Line
from live.following import Follower
from live.interrupts import Interrupts
from live.monitoring.board import Board, Origin
from live.node import Running, check_components, node_of
from live.recording.answers import record_answers, record_positions
from live.recording.heard import Heard
from live.recording.rows import Control, Deadline, DecideAfter, Halt, Past, Received
from live.recording.series import Series
from live.recording.tape import Tape, last_close, read_tape
from live.recovery.catching_up import catch_up
from live.recovery.resuming import Recovery
from live.steering import Inbox, answer
from live.terms import Terms, order_prefix
from strategies import signals
from strategies.assembly import Assembly, assemble, warm_up_bars
from strategies.backtest import Outcome

NEVER = 2**62
WATCH_SECS = 0.2
CLOSING_SECS = 10.0
"""How long a stop waits for positions to be closed."""

CLOSE_AGAIN = 3
"""How often a stop that closes positions closes what is left, since an order was filled while it closed."""

ABANDON_SECS = 2.0
"""What cancels need to reach the venue when a session fails."""


class Session:
    """One session.

    Parameters
    ----------
    config, policy
        What trades.
    connection
        Of the exchange.
    journal
        Where decisions are written.
    terms
        How it is to go.

    Attributes
    ----------
    outcome
        What it left behind; None before its end.
    reason
        Why it ended.
    """

    def __init__(
        self, config: Config, policy: PolicySession | None, connection: Connection, journal: Journal, terms: Terms
    ) -> None:
        self.config, self.policy, self.connection, self.terms = config, policy, connection, terms
        self.journal = journal
        self.outcome: Outcome | None = None
        self.reason = ""
        self._stop = asyncio.Event()
        self._decided = 0
        self._heard = Heard()
        self._drift = DriftFile(terms.folder, config.universe.instruments)
        self._board: Board | None = None
        self._series: Series | None = None
        self._recovery: Recovery | None = None

    def stop(self, reason: str) -> None:
        """End the session in order, at the next opportunity; the first reason counts."""
        self.reason = self.reason or reason
        self._stop.set()

    async def run(self) -> Outcome:
        """Warm up, trade until the end, stop in order.

        Raises
        ------
        RunFailure
            A component raised, or the node did not run; open orders were cancelled as far as the venue could be reached.
        """
        config, terms = self.config, self.terms
        tape = self._tape = Tape(terms.folder)
        if terms.resumed and terms.mode == "paper":
            self.connection.skip_to(last_close(terms.folder))
        try:
            async with self.connection as connection:
                assembly = self._assemble(connection)
                if self.terms.mode == "live":
                    connection.arm(assembly)
                    record_answers(assembly, tape)
                    await self._remember(assembly)
                log = terms.folder / LOG
                with Interrupts(self.stop):
                    async with Running(
                        node_of(config, assembly, connection.data, connection.execution, log)
                    ) as running:
                        seconds, events = await self._trade(assembly, running, tape)
        finally:
            tape.close()
        self.journal.end()
        market = self._heard.market(connection.specs, config.universe.bar)
        paid = tuple((ts, name, float(amount)) for ts, name, amount in assembly.strategy.funding.settlements)
        self.outcome = Outcome(config, market, self.journal, assembly.blotter, assembly.strategy, events, seconds, paid)
        return self.outcome

    async def _remember(self, assembly: Assembly) -> None:
        """Let the desk write ahead; a session that was killed is brought back first."""
        connection, journal, terms = self.connection, self.journal, self.terms
        if not isinstance(journal, StoredJournal):
            return
        if isinstance(connection, ExchangeConnection) and connection.gate is not None:
            assembly.components["second_gate"] = connection.gate
        if not terms.resumed:
            assembly.strategy.keep(OrderLog(journal.store))
            return
        assert isinstance(connection, ExchangeConnection)
        self._recovery = Recovery(self.config, terms.folder, order_prefix(terms.run_id), terms.say, terms.adopt)
        self._recovery.restore(assembly, journal.store)
        await self._recovery.reconcile(connection, assembly)

    def _assemble(self, connection: Connection) -> Assembly:
        config, terms, specs = self.config, self.terms, connection.specs
        assembly = assemble(
            config,
            specs,
            [bar_type(spec.instrument_id, config.universe.bar) for spec in specs],
            NEVER,
            self.policy,
            holds_orders=terms.mode == "paper",
            deadline_ns=None,
            journal=self.journal,
            measured_quotes=not config.live.rehearsal,
            order_prefix=order_prefix(terms.run_id),
            links=connection.links if terms.mode == "live" and not config.live.rehearsal else None,
            mode=terms.mode,
            shadow=terms.shadow,
        )
        assembly.conductor.after = lambda turn: self._after(assembly, turn)
        if terms.mode == "live":
            assembly.strategy.latched = lambda: str(read_latch(terms.latch) or "")
        origin = Origin(terms.run_id, terms.mode, terms.folder, terms.latch, config, self.policy)
        self._board = Board(origin, assembly, terms.say)
        self._series = Series(terms.folder, assembly.blotter)
        terms.before(assembly)
        return assembly

    def _after(self, assembly: Assembly, turn: Turn) -> None:
        if not turn.decides:
            return
        assembly.end_turn(turn)
        self._drift.hear(turn)
        self._decided += 1
        if self._board is not None:
            self._board.decided(turn)
        if self.terms.bars is not None and self._decided >= self.terms.bars:
            assembly.conductor.decide_after(NEVER)
            self._tape.write(DecideAfter(time.time_ns(), NEVER))
            self.stop(f"{self._decided} turns were decided")

    async def _trade(self, assembly: Assembly, running: Running, tape: Tape) -> tuple[float, int]:
        connection, config, board = self.connection, self.config, self._board
        assert board is not None
        writing = board.begin()
        feeder = Feeder(assembly, connection.send)
        feeder.heard = self._heard.add
        played = read_tape(self.terms.folder) if self.terms.resumed else ()
        steered = {item.id for item in played if isinstance(item, Control)}
        if self.terms.resumed and self._recovery is None:
            for item in read_tape(self.terms.folder):
                await feeder.take(item)
            self.terms.say(f"played {feeder.events:,} events again, {len(self.journal):,} decisions came as stored")
        feeder.tape = tape
        feeder.steered = self._steered
        if self.terms.mode == "live":
            record_positions(assembly, tape)
        line = Line(feeder, config.live.turn_patience_secs)

        def heard(item: Received) -> None:
            board.hear(item)
            line.put(item)

        connection.listen(heard)
        if self._recovery is None or not self._recovery.restored:
            await self._warm_up(feeder)
        if self._recovery is not None:
            await self._go_on(feeder, assembly, self._recovery)
        board.phase = "trading"
        gc.collect()
        gc.freeze()
        began = time.perf_counter()
        work: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(line.run(assembly.conductor)),
            asyncio.ensure_future(connection.drive(lambda: line.idle and not self._unanswered(assembly))),
            asyncio.ensure_future(self._watch(line, running, Inbox(self.terms.folder, steered))),
            asyncio.ensure_future(self._stop.wait()),
        ]
        follower = self._follower(assembly, line)
        if follower is not None:
            await follower.look()
            work.append(asyncio.ensure_future(follower.run()))
        if self.terms.mode == "live" and config.live.dead_man_secs is not None:
            work.append(asyncio.ensure_future(connection.hold_alive(config.live.dead_man_secs)))
        ended = False
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if work[1] in done:
                self.stop("the exchange has nothing more")
                if assembly.conductor.open_ns is not None:
                    line.put(Deadline(time.time_ns(), assembly.conductor.open_ns))
            board.phase = "ending"
            await self._close(assembly, line, work[0])
            ended = True
        finally:
            if not ended:
                await self._abandon(assembly)
            board.end(writing)
            for task in work:
                task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*work, return_exceptions=True)
            if follower is not None:
                follower.end()
            gc.unfreeze()
        check_components(assembly)
        return time.perf_counter() - began, feeder.events

    def _follower(self, assembly: Assembly, line: Line) -> Follower | None:
        terms = self.config.lifecycle
        if terms is None or terms.follow is None or assembly.lineup is None:
            return None
        return Follower(assembly.lineup, terms, self.terms.run_id, line.put, self.terms.say)

    async def _abandon(self, assembly: Assembly) -> None:
        """Nothing new from here on, and nothing left resting; positions stay: what failed does not decide about them."""
        assembly.strategy.halt("the session failed")
        for instrument_id in assembly.strategy.instrument_ids:
            assembly.strategy.cancel_all_orders(instrument_id)
        if self.terms.mode == "live":
            await asyncio.sleep(ABANDON_SECS)

    def _unanswered(self, assembly: Assembly) -> bool:
        if self.terms.mode != "live":
            return False
        behind = isinstance(self.connection, ExchangeConnection) and self.connection.behind
        return behind or assembly.strategy.orders_unanswered

    @property
    def _warm_up_bars(self) -> int:
        return max(warm_up_bars(self.policy), signals.warm_up_bars(signals.signals_of(self.config)))

    async def _warm_up(self, feeder: Feeder) -> None:
        count, begun = self._warm_up_bars, None if self._recovery is None else self._recovery.turn_ns
        past = await self.connection.history(count)
        if begun is not None and begun >= 0:
            missed = sum(bar.ts_event > begun for bar in past)
            past = [bar for bar in await self.connection.history(count + missed) if bar.ts_event <= begun]
        last = past[-1].ts_event if past else 0
        await feeder.take(DecideAfter(time.time_ns(), last))
        for bar in past:
            await feeder.take(Past(bar))
        wanted = f"{len(past):,} of {count * len(self.connection.specs):,} bars"
        self.terms.say(f"warmed up with {wanted}, to {iso(last) if past else 'none'}; decides from the next bar on")

    def _steered(self, control: Control, done: bool, result: str) -> None:
        self.terms.say(f"{control.verb} {control.scope} by {control.by}: {result}")
        try:
            answer(self.terms.folder, control.id, done, result)
        except OSError as error:
            self.terms.say(f"the answer to {control.verb} is not written: {error}")

    async def _go_on(self, feeder: Feeder, assembly: Assembly, recovery: Recovery) -> None:
        said: list[Control] = []
        for item in read_tape(self.terms.folder):
            if isinstance(item, Bar | Past):
                self._heard.add_again(item)
            if isinstance(item, Control):
                said.append(item)
            elif isinstance(item, Bar) and item.ts_event <= assembly.strategy.decided_ns:
                said.clear()
        for control in said:
            with suppress(UsageError):
                assembly.strategy.steer(control.verb, control.scope, control.control, control.by, control.reason)
        assert isinstance(self.connection, ExchangeConnection)
        self.terms.say(await catch_up(recovery, self.connection, assembly, feeder, self._warm_up_bars))

    async def _watch(self, line: Line, running: Running, inbox: Inbox) -> None:
        silent = False
        while True:
            await asyncio.sleep(WATCH_SECS)
            if self._series is not None:
                self._series.write()
            halted = read_latch(self.terms.latch)
            if halted is not None:
                self._halt(line, halted)
            for one in inbox.new():
                now = time.time_ns()
                if one.verb != "clear_latch":
                    line.put(Control(now, now, one.id, one.verb, one.scope, one.control, one.by, one.reason))
            if running.task is not None and running.task.done():
                self.stop("the node stopped by itself")
                return
            limit = self.config.live.silence_secs
            quiet = limit is not None and line.silent_secs > limit
            if quiet and not silent:
                self.terms.say(f"nothing was received for {line.silent_secs:.0f} s")
            silent = quiet

    def _halt(self, line: Line, halted: Halted) -> None:
        now = time.time_ns()
        flatten = halted.flatten and self.terms.mode == "paper"
        line.put(Halt(now, now, str(halted), flatten))
        self.stop(str(halted))

    async def _close(self, assembly: Assembly, line: Line, feeding: "asyncio.Future[Any]") -> None:
        """Cancel what rests, close what is to be closed, and hear what comes of it."""
        strategy = assembly.strategy
        flatten = self.config.live.on_stop == "flatten" and not strategy.halted
        for instrument_id in strategy.instrument_ids:
            strategy.cancel_all_orders(instrument_id)
        if flatten:
            now = time.time_ns()
            line.put(Halt(now, now, self.reason, True))
        closing, again = flatten or bool(strategy.halted), CLOSE_AGAIN
        deadline = time.monotonic() + CLOSING_SECS
        while time.monotonic() < deadline and not feeding.done():
            await asyncio.sleep(0.02)
            if not line.idle or (strategy.orders_open if closing else strategy.orders_out):
                continue
            if not flatten or not again or not np.any(strategy.account.quantity != 0.0):
                break
            now, again = time.time_ns(), again - 1
            line.put(Halt(now, now, self.reason, True))
        line.end()
        await asyncio.wait({feeding}, timeout=CLOSING_SECS)
        if (flatten or (closing and self.terms.mode == "paper")) and np.any(strategy.account.quantity != 0.0):
            self.terms.say("positions are still open: no quote came to close them at")
