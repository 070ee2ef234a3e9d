"""A paper or live session as a user wants it: its run folder, its metrics, its report; the same files as those of a back test."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pyarrow.parquet as pq

from engine.contract.calendar import iso
from engine.contract.config import Config, dump, load
from engine.contract.errors import UsageError, broken
from engine.evaluation.appraisal import appraise
from engine.evaluation.ledger import Ledger
from engine.evaluation.trials import family_name
from engine.journal import run as folder_format
from engine.journal.resumed import ResumedJournal
from engine.journal.store import Store, StoredJournal, held
from engine.policy.session import PolicySession
from live.connection import Connection
from live.control import CONTROL, HALT, Control, latch_of, read_latch, refuse_latched, write_control
from live.killing import kill
from live.monitoring.status import STATUS
from live.recording.series import SERIES
from live.recording.tape import INSTRUMENTS, Tape
from live.session import Session
from live.terms import Terms
from strategies.assembly import load_session, pinned, warm_up_bars
from strategies.backtest import Outcome
from strategies.counting import ledger_beside
from strategies.policy.records import drop_shadow_store, shadow_journal
from strategies.recording import record_of
from strategies.running import decider, write

Mode = Literal["paper", "live"]
Say = Callable[[str], None]


def execute(
    config: Config,
    policy: PolicySession | None,
    connection: Connection,
    mode: Mode,
    runs: Path = folder_format.RUNS,
    bars: int | None = None,
    say: Say = lambda _: None,
    ledger: Ledger | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Run a session to its end and write the run folder.

    Parameters
    ----------
    connection
        Of the exchange, not yet entered.
    bars
        Decided turns after which it ends; None: only when it is told to, or when nothing more can come.
    say
        Called with a line for a person.
    ledger
        Where the trials of its family are read; None means the one beside the runs folder. A session adds none: what it trades on was not
        there when it was chosen.

    Returns
    -------
    The run folder, and the document that the command prints.

    Raises
    ------
    CheckFailed
        The account is halted.
    RunFailure
        A component raised; the folder with its journal and its tape is left as an unfinished run.
    """
    document: dict[str, Any] = {}

    def fill(folder: Path, run_id: str) -> None:
        document.update(_carry_out(folder, run_id, config, policy, connection, mode, runs, bars, say, ledger))

    return folder_format.create_run(config.run.name, fill, runs, _decided), document


def _decided(folder: Path) -> bool:
    return held(folder / folder_format.STORE).decisions > 0


def resume(
    run_id: str,
    connect: Callable[[Config], Connection],
    runs: Path = folder_format.RUNS,
    bars: int | None = None,
    say: Say = lambda _: None,
    mode: Mode = "paper",
    adopt: bool = False,
) -> tuple[Path, dict[str, Any]]:
    """Go on with a session that was killed.

    Paper: its tape is played first, held to what it stored, then the exchange; bars that closed meanwhile only warm up. Live: the stored
    states, held to the venue by the rules of `live.recovery`.

    Parameters
    ----------
    connect
        Makes the connection for the run's own configuration.
    adopt
        Live: take over a position that nothing explains, instead of refusing to start.

    Returns
    -------
    As `execute`.

    Raises
    ------
    UsageError
        There is no such unfinished session of this mode, or a process is at it.
    CheckFailed
        Live: the account is halted, or the venue differs in a way that no rule resolves.
    engine.journal.resumed.ReplayDiffers
        A decision or a state did not come again; the run stays as it was.
    """
    config, document = configuration_of(run_id, mode, runs), dict[str, Any]()
    staged = folder_format.find_unfinished(run_id, runs)
    if not (staged / folder_format.STORE).is_file() and (staged / folder_format.REPORT).is_file():
        return folder_format.finish_run(staged, lambda _folder, _id: document.update(_told(staged))), document
    policy = load_session(config)

    def fill(folder: Path, name: str) -> None:
        document.update(
            _carry_out(folder, name, config, policy, connect(config), mode, runs, bars, say, None, True, adopt)
        )

    return folder_format.finish_run(staged, fill), document


def _told(folder: Path) -> dict[str, Any]:
    """What the command prints of a session whose folder was written whole, and which was killed before it had its name."""
    manifest = folder_format.read_json(folder / folder_format.MANIFEST)
    kept = {key: manifest[key] for key in ("run_id", "decisions", "decisions_sha256", "mode", "stopped", "positions")}
    orders = pq.read_metadata(folder / folder_format.ORDERS).num_rows
    more = {"orders": orders, "refusals": sum(manifest["refusals"].values())}
    return kept | more | folder_format.read_json(folder / folder_format.METRICS)


def configuration_of(run_id: str, mode: Mode, runs: Path = folder_format.RUNS) -> Config:
    """Return the configuration that an unfinished session was started with.

    Raises
    ------
    UsageError
        There is no such unfinished session, or it is of another mode.
    """
    staged = folder_format.find_unfinished(run_id, runs)
    begun = folder_format.read_json(staged / folder_format.MANIFEST)
    if begun["mode"] != mode:
        remedy = f"huracan {begun['mode']} --resume {run_id}"
        raise UsageError(broken(f"run {run_id}", f"be a {mode} session", begun["mode"], remedy=remedy))
    return load(staged / folder_format.CONFIG)


def _carry_out(
    folder: Path,
    run_id: str,
    config: Config,
    policy: PolicySession | None,
    connection: Connection,
    mode: Mode,
    runs: Path,
    bars: int | None,
    say: Say,
    ledger: Ledger | None,
    resumed: bool = False,
    adopt: bool = False,
) -> dict[str, Any]:
    config = pinned(config, policy)
    latch = latch_of(config.live, runs) if mode == "live" else folder / HALT
    refuse_latched(latch)
    begun = decider(run_id, mode, config, policy) | {
        "exchange": config.live.exchange,
        "market": config.live.market,
        "rehearsal": config.live.rehearsal,
    }
    (folder / folder_format.CONFIG).write_text(dump(config), encoding="utf-8")
    folder_format.write_json(folder / folder_format.MANIFEST, {**begun, "start": "", "end": "", "datasets": {}})
    (folder / folder_format.LOG).touch()

    def ready(_assembly: object) -> None:
        specs = [msgspec.to_builtins(spec) for spec in connection.specs]
        folder_format.write_json(folder / INSTRUMENTS, specs)
        write_control(folder, _control(run_id, config, connection, mode, latch))
        say(f"run {run_id}: {mode} on {_where(config)}, {', '.join(config.universe.instruments)}")

    with Store(folder / folder_format.STORE) as store, shadow_journal(folder, config) as shadow:
        terms = Terms(mode, run_id, folder, latch, bars, say, ready, resumed, shadow, adopt)
        journal = ResumedJournal(store) if resumed and mode == "paper" else StoredJournal(store)
        session = Session(config, policy, connection, journal, terms)
        outcome = asyncio.run(session.run())
        positions = _kept_flat(config, connection, run_id, mode, latch, say, _positions(outcome))
        document = _finish(folder, run_id, config, policy, outcome, begun, runs, ledger)
    halted = bool(outcome.strategy.halted)
    _note(folder, positions=positions, stopped=session.reason, halted=halted)
    document |= {"mode": mode, "stopped": session.reason, "positions": positions}
    Tape(folder).close(pack=True)
    for left in (folder / folder_format.STORE, *folder.glob(f"{folder_format.STORE}-*"), folder / CONTROL):
        left.unlink(missing_ok=True)
    drop_shadow_store(folder)
    (folder / STATUS).unlink(missing_ok=True)
    (folder / SERIES).unlink(missing_ok=True)
    return document


def _kept_flat(
    config: Config,
    connection: Connection,
    run_id: str,
    mode: Mode,
    latch: Path,
    say: Say,
    positions: dict[str, float],
) -> dict[str, float]:
    """Close what came after a kill that closed all: an order that had left the gate when the process was stopped is sent when it wakes."""
    halted = read_latch(latch)
    if mode != "live" or halted is None or not halted.flatten:
        return positions
    again = kill(_control(run_id, config, connection, mode, latch), halted.by, halted.reason)
    if again.closed:
        say(f"closed after the kill: {', '.join(again.closed)}")
    return again.left_positions if again.closed else positions


def _finish(
    folder: Path,
    run_id: str,
    config: Config,
    policy: PolicySession | None,
    outcome: Outcome,
    begun: dict[str, Any],
    runs: Path,
    ledger: Ledger | None,
) -> dict[str, Any]:
    _log(folder)
    begun = begun | {
        "start": iso(outcome.market.span_ns[0]),
        "end": iso(outcome.market.span_ns[1]),
        "datasets": {},
    }
    record = record_of(outcome, warm_up_bars(policy))
    family = family_name(config.strategy_name, config.universe.instruments, config.universe.bar)
    trials = (ledger or ledger_beside(runs)).trials(family, record.bars_per_year)
    return write(folder, run_id, outcome, policy, {}, appraise(record, trials), None, begun)


def _note(folder: Path, **more: Any) -> None:
    path = folder / folder_format.MANIFEST
    folder_format.write_json(path, {**folder_format.read_json(path), **more})


def _log(folder: Path) -> None:
    """The engine adds its own ending to the name of a log."""
    written = (folder / folder_format.LOG).with_suffix(".log")
    if written.is_file():
        written.replace(folder / folder_format.LOG)


def _control(run_id: str, config: Config, connection: Connection, mode: str, latch: Path) -> Control:
    live = config.live
    return Control(
        run_id,
        os.getpid(),
        mode,
        live.exchange,
        live.market,
        live.rehearsal,
        list(config.universe.instruments),
        str(latch.absolute()),
        connection.venue,
    )


def _where(config: Config) -> str:
    place = "the rehearsal exchange" if config.live.rehearsal else config.live.exchange
    return f"{place} ({config.live.market})"


def _positions(outcome: Outcome) -> dict[str, float]:
    names = outcome.config.universe.instruments
    return {name: float(held) for name, held in zip(names, outcome.strategy.account.quantity) if held != 0.0}
