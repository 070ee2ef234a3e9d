"""The trial ledger: a row for every evaluation of a strategy family, written before its result is known.

What is selected from many trials looks better than it is, by an amount that depends on how many there were. So each evaluation, on every
path that leads to one, opens a row first and completes it after. A row whose process died stays open, and counts: its result was, or would
have been, seen.

Several processes write at once: the file is in write-ahead mode, every write is one short transaction of a connection of its own, and waits
for the others. Killing the process at any instant loses no row; when the machine loses power, the last ones may go.
"""

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack, get_args

import numpy as np
import numpy.typing as npt

from engine.contract.errors import ConfigError, DataError, EnvironmentFault, broken
from engine.evaluation.samples import NO_DEVIATION, series
from engine.evaluation.sharpe import LEAST, PerPeriod, SharpeEstimate, estimate
from engine.evaluation.trials import Origin, Row, Status, Trials, count

TRIALS = Path("var") / "trials.sqlite"
APPLICATION_ID = 0x48555254
FORMAT = 1
WAIT_SECS = 60.0
"""How long a write waits for others."""

_CREATE = f"""
CREATE TABLE trials (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    family TEXT NOT NULL,
    path TEXT NOT NULL CHECK (path IN {get_args(Origin)}),
    config_sha256 TEXT NOT NULL,
    seed INTEGER NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    started TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    ended TEXT,
    status TEXT NOT NULL DEFAULT 'open' CHECK (status IN {get_args(Status)}),
    sharpe_per_period REAL,
    periods INTEGER,
    periods_per_year REAL,
    skew REAL,
    kurtosis REAL,
    policy TEXT,
    run_id TEXT,
    reason TEXT
) STRICT
"""


class About(TypedDict):
    """What is known of a trial before it is made: columns of `Row` of the same names."""

    family: str
    path: Origin
    config_sha256: str
    seed: int
    start_ns: int
    end_ns: int
    policy: NotRequired[str | None]
    run_id: NotRequired[str | None]


class Result(TypedDict):
    """What a trial found: columns of `Row` of the same names.

    The ratio is never annualised, and None where it has no value; `policy` and `run_id` are for what was not known at the beginning.
    """

    sharpe_per_period: PerPeriod | None
    periods: int
    periods_per_year: float
    skew: NotRequired[float | None]
    kurtosis: NotRequired[float | None]
    policy: NotRequired[str | None]
    run_id: NotRequired[str | None]


class Trial:
    """An open row, to be completed once."""

    def __init__(self, ledger: "Ledger", number: int) -> None:
        self.id = number
        self.finished = False
        self._ledger = ledger

    def finish(self, **result: Unpack[Result]) -> None:
        """Write the result; see `Ledger.finish`."""
        self._ledger.finish(self.id, **result)
        self.finished = True

    def finish_returns(
        self, returns: npt.ArrayLike, periods_per_year: float, policy: str | None = None, run_id: str | None = None
    ) -> SharpeEstimate | None:
        """Measure simple returns per period, float64 (T,), and write the result; None where they have no Sharpe ratio."""
        values = series(returns, 0)
        found = None
        if len(values) >= LEAST and float(values.std(ddof=1)) > NO_DEVIATION:
            found = estimate(values, periods_per_year)
        self.finish(
            sharpe_per_period=None if found is None else found.per_period,
            periods=len(values),
            periods_per_year=periods_per_year,
            skew=None if found is None else found.skew,
            kurtosis=None if found is None else found.kurtosis,
            policy=policy,
            run_id=run_id,
        )
        return found


def _plain(value: object) -> object:
    """A number of NumPy as one of Python, which SQLite knows."""
    return value.item() if isinstance(value, np.generic) else value


class Ledger:
    """The ledger in one SQLite file, which any number of processes may use at once.

    Parameters
    ----------
    path
        Made, with its folder, by the first row.
    """

    def __init__(self, path: Path = TRIALS) -> None:
        self.path = path

    @contextmanager
    def trial(self, **about: Unpack[About]) -> Iterator[Trial]:
        """Open a row, and hand it to the block that evaluates; what escapes the block fails the row, and is raised again.

        Parameters
        ----------
        about
            As `begin`.

        Raises
        ------
        DataError
            The block ended without finishing its trial; the row is marked as failed.

        Examples
        --------
        >>> import tempfile
        >>> from engine.evaluation.trials import family_name
        >>> ledger = Ledger(Path(tempfile.mkdtemp()) / "trials.sqlite")
        >>> family = family_name("trend", ["BTCUSDT.BINANCE"], "1-DAY")
        >>> with ledger.trial(family=family, path="backtest", config_sha256="91c0", seed=7, start_ns=0, end_ns=10) as trial:
        ...     trial.finish(sharpe_per_period=PerPeriod(0.02), periods=500, periods_per_year=365.0)
        >>> ledger.trials(family, 365.0).number
        1
        """
        number = self.begin(**about)
        opened = Trial(self, number)
        try:
            yield opened
        except BaseException as error:
            if not opened.finished:
                self.fail(number, f"{type(error).__name__}: {error}")
            raise
        if not opened.finished:
            self.fail(number, "ended without a result")
            raise DataError(broken(f"trial {number}", "be finished inside its block", "open", str(self.path)))

    def begin(self, **about: Unpack[About]) -> int:
        """Write an open row, before anything is evaluated, and return its id.

        Parameters
        ----------
        about
            What is known of the trial before it is made.

        Raises
        ------
        ConfigError
            The family is empty, or the path unknown.
        EnvironmentFault
            The file cannot be written.
        """
        if not about["family"].strip():
            raise ConfigError(broken("family of a trial", "be named", repr(about["family"])))
        if about["path"] not in get_args(Origin):
            raise ConfigError(broken("path of a trial", f"be one of {', '.join(get_args(Origin))}", about["path"]))
        columns = tuple(About.__annotations__)
        statement = f"INSERT INTO trials ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        number, _ = self._write(statement, tuple(_plain(about.get(name)) for name in columns))
        return number

    def finish(self, number: int, **result: Unpack[Result]) -> None:
        """Complete an open row.

        Parameters
        ----------
        number
            Id of the row.
        result
            What was found.

        Raises
        ------
        DataError
            A number is not finite, or the row is not open.
        """
        for name in ("sharpe_per_period", "skew", "kurtosis"):
            value = _plain(result.get(name))
            if isinstance(value, float) and not math.isfinite(value):
                raise DataError(broken(name, "be finite, or None where it has no value", value, f"trial {number}"))
        changes = [f"{name} = coalesce(?, {name})" for name in Result.__annotations__]
        values = tuple(_plain(result.get(name)) for name in Result.__annotations__)
        self._complete(number, ", ".join(["status = 'done'", *changes]), values)

    def fail(self, number: int, reason: str) -> None:
        """Mark an open row as failed; it still counts as a trial."""
        self._complete(number, "status = 'failed', reason = ?", (reason,))

    def rows(self, family: str | None = None) -> list[Row]:
        """Return the rows of a family, or all, in the order in which they began; none where there is no ledger yet."""
        if not self.path.exists():
            return []
        where, values = ("", ()) if family is None else ("WHERE family = ?", (family,))
        statement = f"SELECT {', '.join(Row._fields)} FROM trials {where} ORDER BY id"
        with self._mapped(), closing(self._connect()) as database:
            if not self._known(database):
                return []
            return [Row(*row) for row in database.execute(statement, values)]

    def trials(self, family: str, periods_per_year: float) -> Trials:
        """Count a family's trials and collect their Sharpe ratios, for the deflated Sharpe ratio.

        Parameters
        ----------
        family
            As `family_name` makes it.
        periods_per_year
            Of the ratio that is to be deflated; ratios of other periods are brought to it.
        """
        return count(self.rows(family), periods_per_year)

    def _complete(self, number: int, changes: str, values: tuple[Any, ...]) -> None:
        stamp = "ended = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
        statement = f"UPDATE trials SET {stamp}, {changes} WHERE id = ? AND status = 'open'"
        if self._write(statement, (*values, number))[1] != 1:
            raise DataError(broken(f"trial {number}", "be open when its result is written", "not", str(self.path)))

    def _write(self, statement: str, values: tuple[Any, ...]) -> tuple[int, int]:
        """Run one statement in a transaction; also the id it made, and the rows it changed."""
        with self._mapped():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            until = time.monotonic() + WAIT_SECS
            while True:
                try:
                    with closing(self._connect()) as database:
                        self._prepare(database)
                        done = database.execute(statement, values)
                        database.execute("COMMIT")
                        return int(done.lastrowid or 0), done.rowcount
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > until:
                        raise
                    time.sleep(0.01)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, isolation_level=None, timeout=WAIT_SECS)

    def _prepare(self, database: sqlite3.Connection) -> None:
        """Begin a transaction, and make the table in it where the file is new."""
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("BEGIN IMMEDIATE")
        if not self._known(database):
            database.execute(_CREATE)
            database.execute("CREATE INDEX families ON trials (family)")
            database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {FORMAT}")

    def _known(self, database: sqlite3.Connection) -> bool:
        """Whether the file is a ledger (True) or new (False); anything else is refused."""
        (application_id,) = database.execute("PRAGMA application_id").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application_id == 0 and tables == 0:
            return False
        if application_id != APPLICATION_ID:
            rule = f"be of application {APPLICATION_ID:#x}"
            raise DataError(broken("trial ledger", rule, f"{application_id:#x}", str(self.path)))
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version != FORMAT:
            remedy = "use the code that wrote it"
            raise DataError(broken("trial ledger's format", f"be {FORMAT}", version, str(self.path), remedy))
        return True

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            remedy = "every trial must be counted before it is evaluated; make the file writable"
            raise EnvironmentFault(
                broken("trial ledger", "be readable and writable", error, str(self.path), remedy)
            ) from error
        except sqlite3.DatabaseError as error:
            raise DataError(broken("trial ledger", "be a sound SQLite file", error, str(self.path))) from error
