"""A walk forward: learn on one span, trade the next, over all of history, and judge what one would have earned.

`var/walkforward/NAME-DIGEST12/` holds it, the digest taken over configuration, data and code. A unit that is finished there is never done
again, so that a walk that was killed goes on where it stopped when the same command is given.
"""

import fcntl
import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from catalogs.manifest import read_manifest
from engine.contract.calendar import bars_per_year, iso
from engine.contract.config import Config, dump
from engine.contract.errors import UsageError, broken
from engine.contract.version import code_version
from engine.evaluation import workers as pool
from engine.evaluation.activity import turnover_per_bar
from engine.evaluation.chance import matched
from engine.evaluation.judging import POLICIES, Terms, Track, judge
from engine.evaluation.ledger import LEAST, Ledger
from engine.evaluation.sharpe import annualise, sharpe_per_period
from engine.evaluation.trials import family_name
from engine.journal.run import CONFIG, read_json, write_json
from strategies.assembly import RULE_WARM_UP_BARS
from strategies.backtest import with_strategy
from strategies.feed import coverage_rows, read_market
from strategies.folds import Plan, Test, Training, common_turns, fold_config, plan
from strategies.folds import document as plan_document
from strategies.running import dataset_digests
from strategies.tracks import Path as Joined
from strategies.tracks import Tested, join
from strategies.units import PATHS, POLICY, RESULT, Learn, Work, carry_out, describe, finished, read

WALKS = Path("var/walkforward")
PLAN = "plan.json"
RULES = ("cash", "buy_and_hold", "volatility_target", "trend")
RANDOM_SEEDS = 5
"""Random runs of matched turnover; the median one by total return is the baseline."""

Advance = Callable[[int, str], None]


@dataclass(frozen=True)
class Learner:
    """How a policy is learned in a fold.

    Attributes
    ----------
    learn
        A module-level function.
    window_bars
        Bars that one decision of the policy looks back, its features and normaliser included.
    check
        Called with the configuration of every fold while the walk is planned; raises where its training span is too short.
    """

    learn: Learn
    window_bars: int
    check: Callable[[Config], None] | None = None


@dataclass(frozen=True)
class Walked:
    """A finished walk.

    Attributes
    ----------
    folder
        Where it is.
    config, plan
        What was walked.
    chosen
        What one would have traded: in each training the seed that validation chose.
    seeds, baselines
        The same seed in every training; strategies beside, over the same tests; by name.
    """

    folder: Path
    config: Config
    plan: Plan
    chosen: Joined
    seeds: Mapping[int, Joined]
    baselines: Mapping[str, Joined]

    def paths(self) -> dict[str, Joined]:
        """All paths under their names in `paths.parquet`."""
        return (
            {"chosen": self.chosen} | {f"seed:{seed}": one for seed, one in self.seeds.items()} | dict(self.baselines)
        )


Extra = Callable[[Walked, dict[str, Any]], dict[str, Any]]
"""Called with the finished walk and its document; what it returns is added to the document."""


@dataclass
class _Crew:
    """Who does the units."""

    folder: Path
    ledger: Ledger
    workers: int
    ray: str | None
    advance: Advance

    def do(self, works: Sequence[Work]) -> None:
        left = [work for work in works if not finished(self.folder, work)]
        self.advance(len(works) - len(left), "")
        units = [pool.Unit(describe(work), carry_out, (self.folder, self.ledger, work)) for work in left]
        pool.carry_out(units, self.workers, self.ray, lambda unit: self.advance(1, unit.name))


def walk_forward(
    config: Config,
    learner: Learner | None = None,
    *,
    root: Path = WALKS,
    ledger: Ledger | None = None,
    workers: int | None = None,
    ray: str | None = None,
    advance: Advance = lambda number, text: None,
    extras: Sequence[Extra] = (),
    policies: int = POLICIES,
) -> tuple[Path, dict[str, Any]]:
    """Walk a strategy forward over a catalog.

    Parameters
    ----------
    config
        [walkforward], and all that a back test and, with a learner, training need.
    learner
        How the policy of a fold is made, `models.walking.learner(config)` for [training]; None for a strategy that learns nothing.
    root
        Where the folder of the walk is made, or found again.
    ledger
        Where every trial is written before it is made; `var/trials.sqlite` where None.
    workers, ray
        See `engine.evaluation.workers.carry_out`; those of the configuration where None.
    advance
        Called with (units that ended, text).
    extras
        What else is measured once the paths are there.
    policies
        Random policies behind the p-value.

    Returns
    -------
    The folder, and the document that `huracan walkforward --json` prints.

    Raises
    ------
    ConfigError
        The embargo is too short, or not one fold fits.
    UsageError
        The strategy is a policy without a learner, or another process is at this walk.
    EnvironmentFault
        A unit's workers died again and again.
    """
    began = time.perf_counter()
    if (config.strategy_name == "policy") != (learner is not None):
        remedy = "a policy that is there already has seen the past; huracan backtest trades it"
        raise UsageError(
            broken("strategy.name", "be policy exactly where a learner is given", config.strategy_name, remedy=remedy)
        )
    count = config.walkforward.workers if workers is None else workers
    planned = make_plan(config, learner)
    folder = root / f"{config.run.name}-{digest(config)[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with claimed(folder):
        write_text(folder / CONFIG, dump(config))
        write_json(folder / PLAN, plan_document(planned))
        crew = _Crew(folder, Ledger() if ledger is None else ledger, count, ray, advance)
        walked, folds = _walk(crew, config, planned, learner)
        document = _judged(walked, folds, crew, policies)
        for extra in extras:
            document |= extra(walked, document)
        document |= {
            "untested_bars": planned.untested.bars,
            "coverage": coverage_rows(read_market(config, 0)),
            "datasets": dataset_digests(config),
            "code_version": code_version(),
            "workers": count,
            "seconds": time.perf_counter() - began,
            "folder": str(folder),
        }
        _write_table(folder / PATHS, pa.concat_tables([one.table(name) for name, one in walked.paths().items()]))
        write_json(folder / RESULT, document)
    return folder, document


def make_plan(config: Config, learner: Learner | None = None) -> Plan:
    """Lay the folds of a configuration over its catalog.

    Raises
    ------
    ConfigError
        Not one fold fits, or the embargo is too short.
    DataError
        A fold has too little to learn from or to validate on.
    """
    window_bars = RULE_WARM_UP_BARS if learner is None else learner.window_bars
    frac = 0.0 if learner is None else config.training.validation_frac
    made = plan(common_turns(config), config.universe.bar, config.walkforward, window_bars, frac)
    if learner is not None and learner.check is not None:
        for training in made.trainings:
            learner.check(fold_config(config, training, training.tests[0], config.run.seed))
    return made


def units(config: Config, planned: Plan, learner: Learner | None) -> list[Work]:
    """Return the units of a plan, trainings in the order of time, seeds in that of the configuration."""
    config = _bare(config)
    return [
        Work(
            f"folds/{training.number:03d}/seed-{seed}",
            config,
            training,
            training.tests,
            seed,
            None if learner is None else learner.learn,
        )
        for training in planned.trainings
        for seed in seeds_of(config)
    ]


def seeds_of(config: Config) -> list[int]:
    """Return the seeds that are walked: one for a rule, which has nothing random in it."""
    given = config.walkforward.seeds
    if config.strategy_name == "policy":
        return list(given or config.training.seeds)
    return list(given or [config.run.seed]) if config.strategy_name == "random" else [config.run.seed]


def digest(config: Config) -> str:
    """SHA-256 over configuration, data and code; who does the work is no part of it."""
    parts = [dump(_bare(config)), _datasets(config), code_version()]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _bare(config: Config) -> Config:
    """The configuration without who does the work, which must not decide whether a unit counts as done."""
    return msgspec.structs.replace(config, walkforward=msgspec.structs.replace(config.walkforward, workers=0))


def _datasets(config: Config) -> list[tuple[str, str, str, str]]:
    return [
        (one.instrument_id, one.kind, one.bar or "", one.sha256)
        for one in read_manifest(config.data.catalog).datasets
        if one.instrument_id in config.universe.instruments
    ]


def _walk(crew: _Crew, config: Config, planned: Plan, learner: Learner | None) -> tuple[Walked, list[dict[str, Any]]]:
    works = units(config, planned, learner)
    beside = [name for name in RULES if name != config.strategy_name]
    rules = [_baseline(config, planned, name, name, config.run.seed) for name in beside]
    crew.do([*works, *rules])
    results = {(work.training.number, work.seed): read(crew.folder, work) for work in works}
    seeds = seeds_of(config)
    folds, best = _fold_rows(config, planned, seeds, results)
    chosen = join(
        [results[training.number, best[training.number]][1][test.number] for training, test in _served(planned)], config
    )
    by_seed = {
        seed: join([results[training.number, seed][1][test.number] for training, test in _served(planned)], config)
        for seed in seeds
    }
    traded = float(turnover_per_bar(chosen.track.exposure).mean()) / len(config.universe.instruments)
    parameters = matched(chosen.track.exposure, traded)
    randoms = [
        _baseline(config, planned, f"random-{k + 1}", "random", config.run.seed * 1_000 + k, parameters)
        for k in range(RANDOM_SEEDS)
    ]
    crew.do(randoms)
    baselines = {work.config.strategy_name: _joined(crew.folder, work, config) for work in rules}
    draws = [_joined(crew.folder, work, config) for work in randoms]
    draws.sort(key=lambda draw: float(draw.equity[-1]))
    baselines["random"] = draws[len(draws) // 2]
    return Walked(crew.folder, config, planned, chosen, by_seed, baselines), folds


def _served(planned: Plan) -> Iterator[tuple[Training, Test]]:
    return ((training, test) for training in planned.trainings for test in training.tests)


def _baseline(
    config: Config, planned: Plan, place: str, name: str, seed: int, parameters: Mapping[str, Any] | None = None
) -> Work:
    """A strategy beside, over all tests; where a regime is configured, each test has the one that is fitted for its fold."""
    other = with_strategy(_bare(config), name, **(parameters or {}))
    fits = tuple(training for training, _ in _served(planned))
    return Work(f"baselines/{place}", other, planned.trainings[0], planned.tests, seed, counted=False, fits=fits)


def _joined(folder: Path, work: Work, config: Config) -> Joined:
    found = read(folder, work)[1]
    return join([found[test.number] for test in work.tests], config)


def _fold_rows(
    config: Config,
    planned: Plan,
    seeds: Sequence[int],
    results: Mapping[tuple[int, int], tuple[dict[str, Any], dict[int, Tested]]],
) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """Rows of the folds, and by training the seed with the largest validation log growth, the first where nothing is validated."""
    year = bars_per_year(config.universe.bar)
    rows, best = [], {}
    for training in planned.trainings:
        learned = {seed: results[training.number, seed][0]["learned"] or {} for seed in seeds}
        growth: dict[int, float | None] = {seed: one.get("validation_log_growth") for seed, one in learned.items()}
        ranks = {seed: -math.inf if value is None else value for seed, value in growth.items()}
        chosen = max(seeds, key=ranks.__getitem__)
        best[training.number] = chosen
        for test in training.tests:
            figures = {seed: _figures(results[training.number, seed][1][test.number], year) for seed in seeds}
            rows.append(
                {
                    "number": test.number,
                    "train_start": iso(training.start_ns),
                    "train_end": iso(training.end_ns),
                    "test_start": iso(test.start_ns),
                    "test_end": iso(test.end_ns),
                    "seed": chosen,
                    **figures[chosen],
                    "degenerate": list(learned[chosen].get("degenerate", ())),
                    "seeds": [
                        {
                            "seed": seed,
                            **figures[seed],
                            "validation_log_growth": growth[seed],
                            "degenerate": list(learned[seed].get("degenerate", ())),
                            "policy": f"folds/{training.number:03d}/seed-{seed}/{POLICY}" if learned[seed] else None,
                        }
                        for seed in seeds
                    ],
                }
            )
    return rows, best


def _figures(one: Tested, year: float) -> dict[str, float | None]:
    returns = one.turns["return"].to_numpy()
    varies = len(returns) >= LEAST and float(returns.std()) > 0.0
    return {
        "sharpe": annualise(sharpe_per_period(returns), year) if varies else None,
        "total_return": float(np.prod(1.0 + returns) - 1.0),
    }


def _judged(walked: Walked, folds: list[dict[str, Any]], crew: _Crew, policies: int) -> dict[str, Any]:
    config, bar = walked.config, walked.config.universe.bar
    venue = config.venue
    terms = Terms(
        bars_per_year(bar),
        venue.taker_bps + venue.half_spread_bps,
        config.limits.max_position_frac,
        walked.plan.window_bars,
        policies,
        config.run.seed,
    )
    family = family_name(config.strategy_name, config.universe.instruments, bar)
    trials = crew.ledger.trials(family, terms.periods_per_year)
    columns = {f"seed:{seed}": one.track.returns[1:] for seed, one in walked.seeds.items()}
    judged = Track(*(values[1:] for values in vars(walked.chosen.track).values()))
    metrics = {seed: one.metrics(bar) for seed, one in walked.seeds.items()}
    return {
        "folds": folds,
        **judge(judged, columns, terms, trials),
        "metrics": walked.chosen.metrics(bar),
        "seeds": [{"seed": seed, "metrics": one} for seed, one in metrics.items()],
        "seed_quartiles": _quartiles(list(metrics.values())),
        "degenerate": sum(bool(seed["degenerate"]) for fold in folds for seed in fold["seeds"]),
        "baselines": {name: one.metrics(bar) for name, one in walked.baselines.items()},
    }


def _quartiles(metrics: Sequence[Mapping[str, Any]]) -> dict[str, list[float] | None]:
    """First quartile, median and third quartile across seeds of each metric; None where a seed has no value."""
    found: dict[str, list[float] | None] = {}
    for name in metrics[0]:
        values = [one[name] for one in metrics]
        whole = all(value is not None for value in values)
        found[name] = np.quantile(values, [0.25, 0.5, 0.75]).tolist() if whole else None
    return found


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder.

    Raises
    ------
    UsageError
        One is in it.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise UsageError(broken("walk", "be left by its process", "still going on", str(folder))) from error
    finally:
        os.close(held)


def write_text(path: Path, text: str) -> None:
    written = path.with_name(f"{path.name}.new")
    written.write_text(text, encoding="utf-8")
    os.replace(written, path)


def _write_table(path: Path, table: pa.Table) -> None:
    written = path.with_name(f"{path.name}.new")
    pq.write_table(table, written, compression="zstd")
    os.replace(written, path)


def load_document(folder: Path) -> dict[str, Any]:
    """Read the document of a finished walk."""
    return read_json(folder / RESULT)
