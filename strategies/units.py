"""One unit of a walk forward: a policy learned once, with one seed, and traded over the tests that it serves.

Its folder appears under its name when all of it is written, and is then never done again.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.contract.calendar import bars_per_year, iso
from engine.contract.config import Config, PolicySource, dump, sha256
from engine.evaluation.ledger import Ledger
from engine.evaluation.trials import family_name
from engine.journal.run import read_json, write_json
from strategies.backtest import load, run
from strategies.folds import Test, Training, fold_config
from strategies.tracks import FILLS, Tested, tested

RESULT, PATHS, TRADES, POLICY = "result.json", "paths.parquet", "fills.parquet", "policy"


@dataclass(frozen=True)
class Learned:
    """What learning left in the unit's folder beside the policy itself.

    Attributes
    ----------
    validation_log_growth
        By which a seed is chosen; None where nothing was validated.
    degenerate
        Why the policy counts as collapsed; empty where it does not.
    figures
        Whatever else is worth keeping.
    """

    validation_log_growth: float | None
    degenerate: tuple[str, ...]
    figures: dict[str, Any]


Learn = Callable[[Config, Path, Path, Ledger], Learned]
"""Called with the fold's configuration, the folder in which to make `policy/`, a folder for what a killed run goes on from, and the ledger;
a module-level function, since it travels to other processes."""


@dataclass(frozen=True)
class Work:
    """A unit.

    Attributes
    ----------
    place
        Its folder within that of the walk.
    config
        That of the whole walk, with the strategy of this unit.
    training, tests, seed
        What it learns on, is judged on, and with which seed.
    learn
        How; None for a strategy that learns nothing.
    counted
        Whether its tests are trials; baselines are none.
    fits
        The training whose fit each test uses, where that is not the unit's own.
    """

    place: str
    config: Config
    training: Training
    tests: tuple[Test, ...]
    seed: int
    learn: Learn | None = None
    counted: bool = True
    fits: tuple[Training, ...] = ()

    @property
    def rounds(self) -> list[tuple[Training, Test]]:
        """The tests, each with the training whose fit it uses."""
        return list(zip(self.fits or (self.training,) * len(self.tests), self.tests))

    @property
    def digest(self) -> str:
        """SHA-256 over all that decides the result beside data and code, which the walk's own digest covers."""
        learn = "" if self.learn is None else f"{self.learn.__module__}:{self.learn.__qualname__}"
        spans = [(test.number, test.start_ns, test.end_ns) for test in self.tests]
        trainings = [(one.start_ns, one.end_ns, one.fit_end_ns) for one in (self.training, *self.fits)]
        parts = [dump(self.config), trainings, spans, self.seed, learn]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def finished(walk: Path, work: Work) -> bool:
    """Tell whether a unit was done before."""
    path = walk / work.place / RESULT
    return path.is_file() and read_json(path)["digest"] == work.digest


def carry_out(walk: Path, ledger: Ledger, work: Work) -> None:
    """Learn, trade and write one unit, unless it was done before.

    Parameters
    ----------
    walk
        Folder of the walk.
    """
    if finished(walk, work):
        return
    began = time.perf_counter()
    final = walk / work.place
    staging = final.with_name(f".{final.name}.{os.getpid()}.partial")
    scratch = final.with_name(f".{final.name}.training")
    final.parent.mkdir(parents=True, exist_ok=True)
    for left in (final, *final.parent.glob(f".{final.name}.*.partial")):
        shutil.rmtree(left, ignore_errors=True)
    staging.mkdir()
    learned = None
    if work.learn is not None:
        config = fold_config(work.config, work.training, work.tests[0], work.seed)
        learned = work.learn(config, staging, scratch, ledger)
    trained = time.perf_counter()
    results = [_trade(staging, ledger, work, *one) for one in work.rounds]
    pq.write_table(_stacked([one.turns for one in results], work.tests), staging / PATHS, compression="zstd")
    pq.write_table(_stacked([one.fills for one in results], work.tests), staging / TRADES, compression="zstd")
    document = {
        "digest": work.digest,
        "seed": work.seed,
        "learned": None if learned is None else msgspec.to_builtins(learned),
        "tests": [{"number": test.number, "funding": one.funding} for test, one in zip(work.tests, results)],
        "seconds": {"learning": trained - began, "trading": time.perf_counter() - trained},
    }
    write_json(staging / RESULT, document)
    os.replace(staging, final)
    shutil.rmtree(scratch, ignore_errors=True)


def _trade(staging: Path, ledger: Ledger, work: Work, training: Training, test: Test) -> Tested:
    config = fold_config(work.config, training, test, work.seed)
    named = config
    if work.learn is not None:
        named = msgspec.structs.replace(config, policy=PolicySource(path=str(staging / POLICY)))
    market, session = load(named)
    if not work.counted:
        return tested(run(named, market, session))
    universe = config.universe
    with ledger.trial(
        family=family_name(config.strategy_name, universe.instruments, universe.bar),
        path="walkforward",
        config_sha256=sha256(config),
        seed=work.seed,
        start_ns=test.start_ns,
        end_ns=test.end_ns,
        policy=None if session is None else session.name,
    ) as trial:
        found = tested(run(named, market, session))
        trial.finish_returns(found.turns["return"].to_numpy(), bars_per_year(universe.bar))
    return found


def _stacked(tables: list[pa.Table], tests: tuple[Test, ...]) -> pa.Table:
    numbered = [
        table.add_column(0, "fold", pa.array(np.full(len(table), test.number))) for table, test in zip(tables, tests)
    ]
    return pa.concat_tables(numbered)


def read(walk: Path, work: Work) -> tuple[dict[str, Any], dict[int, Tested]]:
    """Read a finished unit: its result, and its tests by the number of the fold."""
    folder = walk / work.place
    result = read_json(folder / RESULT)
    turns, fills = pq.read_table(folder / PATHS), pq.read_table(folder / TRADES)
    found = {}
    for one in result["tests"]:
        number = one["number"]
        parts = [table.filter(np.asarray(table["fold"]) == number).drop_columns("fold") for table in (turns, fills)]
        found[number] = Tested(parts[0], parts[1].select(list(FILLS)), one["funding"])
    return result, found


def describe(work: Work) -> str:
    """Name a unit for a message."""
    return f"{work.place} ({iso(work.training.start_ns)[:10]} to {iso(work.training.end_ns)[:10]})"
