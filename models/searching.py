"""A search over settings of the training: a study that outlives its process, in batches that no number of workers changes.

Trials of a batch are chosen one after the other before any of them is known, each by a sampler whose seed is that of the search and the
trial's number; then they are made side by side; then the study hears of them in the order of their numbers. So what is chosen depends on
the seed, the batch and the results alone, and a search that was killed goes on as if it had not been.
"""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from engine.contract.calendar import bars_per_year, iso, to_ns
from engine.contract.config import Config, dump
from engine.contract.errors import ConfigError, broken
from engine.contract.search import Range, Search
from engine.evaluation import workers as pool
from engine.evaluation.ledger import Ledger
from engine.evaluation.sharpe import PerPeriod, SharpeEstimate
from engine.evaluation.trials import family_name
from engine.journal.run import CONFIG, read_json, write_json
from engine.signals.settings import parse as parse_signals
from models.search_trials import Asked, carry_out, with_values
from models.training import check_span
from models.walking import learner
from strategies.folds import Training
from strategies.units import RESULT
from strategies.walking import claimed, digest, make_plan, seeds_of, write_text

SEARCHES = Path("var/search")
STUDY, BEST = "study.sqlite3", "best.toml"
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}

Advance = Callable[[int, str], None]


def search(
    config: Config,
    *,
    root: Path = SEARCHES,
    ledger: Ledger | None = None,
    workers: int | None = None,
    ray: str | None = None,
    advance: Advance = lambda number, text: None,
) -> tuple[Path, dict[str, Any]]:
    """Try settings, and choose among them by validation.

    Parameters
    ----------
    config
        [search], and all that training needs.
    root
        Where the folder of the study is made, or found again.
    ledger
        Where every evaluation is written before it is made; `var/trials.sqlite` where None.
    workers, ray
        See `engine.evaluation.workers.carry_out`; those of the configuration where None.
    advance
        Called with (trials that ended, text).

    Returns
    -------
    The folder, and the document that `huracan search --json` prints.

    Raises
    ------
    ConfigError
        Nothing is varied, a key is unknown, nothing is held out, or no trial came to its end.
    DataError
        The span is too short to learn from and to validate on.
    UsageError
        Another process is at this search.
    EnvironmentFault
        A trial's workers died again and again.
    """
    began = time.perf_counter()
    settings = config.search
    base, trainings = prepare(config)
    folder = root / f"{config.run.name}-{study_digest(config)[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    count = settings.workers if workers is None else workers
    book = Ledger() if ledger is None else ledger
    with claimed(folder), opened(folder, config.run.name) as study:
        write_text(folder / CONFIG, dump(config))
        advance(sum(one.state.is_finished() for one in _trials(study)[: settings.trials]), "")
        while not _over(settings, time.perf_counter() - began) and (batch := _next_batch(study, settings)):
            least = _least(study, settings, batch[0].number)
            asked = [
                Asked(one.number, base, _values(settings, one), settings.objective, trainings, least)
                for one in batch
                if not one.state.is_finished()
            ]
            units = [pool.Unit(one.name, carry_out, (folder, book, one)) for one in asked]
            results = pool.carry_out(units, count, ray, lambda unit: advance(1, _so_far(study)))
            for one, found in zip(asked, results):
                _tell(study, one.number, found)
        document = _document(study, config, base, folder, book)
        document |= {"workers": count, "seconds": time.perf_counter() - began, "folder": str(folder)}
        write_json(folder / RESULT, document)
    return folder, document


def prepare(config: Config) -> tuple[Config, tuple[Training, ...]]:
    """Return what all trials have in common, which ends where the held-out bars begin, and the folds that they learn on.

    Raises
    ------
    ConfigError
        Nothing is varied, a key is unknown, a value out of range, or it is not said where the held-out bars begin.
    DataError
        A span is too short.
    """
    settings, replace = config.search, msgspec.structs.replace
    if not settings.vary:
        remedy = 'write "training.learning_rate" = {low = 1e-4, high = 1e-2, log = true} below [search.vary]'
        raise ConfigError(broken("search.vary", "name a key that is varied", "empty", remedy=remedy))
    end = settings.end or config.training.end
    if end is None:
        rule = "say where the bars begin that the search never sees"
        raise ConfigError(broken("search.end", rule, "absent", remedy="write it, or training.end"))
    start, span, seeds = config.data.start, [end, config.training.end], config.training.seeds
    if settings.over == "training":
        start = config.training.start or start
    else:
        span, seeds = [*span, config.data.end], seeds_of(replace(config, strategy={"name": "policy"}))
    last = min(one for one in span if one is not None)
    base = replace(
        config,
        data=replace(config.data, start=start, end=last),
        training=replace(config.training, start=start, end=last, seeds=seeds),
        strategy={"name": "policy"},
        policy=None,
        search=Search(),
    )
    for key, values in settings.vary.items():
        for value in (values.low, values.high) if isinstance(values, Range) else values:
            _check_value(base, key, value)
    trainings = () if settings.over == "training" else make_plan(base, learner(base)).trainings
    if not trainings:
        check_span(base)
    return base, trainings


def _check_value(base: Config, key: str, value: object) -> None:
    """Refuse a key that is unknown or a value that it cannot have; what only contradicts other keys is left to the trial."""
    section, *between, last = key.split(".")
    if section == "actors":
        parse_signals(with_values(base, {key: value}).actors)
        return
    document: dict[str, Any] = {"universe": msgspec.to_builtins(base.universe), section: {}}
    place = document[section]
    for name in between:
        place = place.setdefault(name, {})
    place[last] = value
    try:
        msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        rule = "be a key of the configuration, and its values in range"
        raise ConfigError(
            broken(f'search.vary."{key}"', rule, value, str(error), "huracan config schema lists every key")
        ) from error


def study_digest(config: Config) -> str:
    """SHA-256 over configuration, data and code; how many trials there are, and who makes them, is no part of it."""
    plain = msgspec.structs.replace(config.search, trials=1, workers=0, timeout_minutes=None)
    return digest(msgspec.structs.replace(config, search=plain))


def distributions(settings: Search) -> dict[str, BaseDistribution]:
    """Return what Optuna draws from, by key, in the order of the alphabet: that of the file must not decide what is drawn."""
    found: dict[str, BaseDistribution] = {}
    for key, values in sorted(settings.vary.items()):
        if not isinstance(values, Range):
            found[key] = CategoricalDistribution([_code(value) for value in values])
        elif values.whole:
            found[key] = IntDistribution(int(values.low), int(values.high), values.log, int(values.step or 1))
        else:
            step = None if values.step is None else float(values.step)
            found[key] = FloatDistribution(float(values.low), float(values.high), values.log, step)
    return found


def _code(value: Any) -> Any:
    """What a choice is called in the study: itself, or its JSON where it is a list."""
    return msgspec.json.encode(value).decode() if isinstance(value, (list, dict)) else value


def _values(settings: Search, trial: FrozenTrial) -> dict[str, Any]:
    """What a trial's parameters mean."""
    found = dict(trial.params)
    for key, values in settings.vary.items():
        if not isinstance(values, Range):
            found[key] = next(
                value for value in values if _code(value) == found[key] and type(_code(value)) is type(found[key])
            )
    return found


@contextmanager
def opened(folder: Path, name: str) -> Iterator[optuna.Study]:
    """Open the study of a folder, or make it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(f"sqlite:///{folder / STUDY}")
    try:
        yield optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _trials(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False)


def _next_batch(study: optuna.Study, settings: Search) -> list[FrozenTrial]:
    """Choose the trials of the next batch that are not chosen yet; those of a batch that was cut short come again."""
    there = _trials(study)
    left = [one.number for one in there if not one.state.is_finished()]
    first = (left[0] if left else len(there)) // settings.batch * settings.batch
    stop = min(first + settings.batch, settings.trials)
    for number in range(len(there), stop):
        study.sampler = sampler(settings, number)
        study.ask(distributions(settings))
    return _trials(study)[first:stop] if (left or len(there) < settings.trials) else []


def sampler(settings: Search, number: int) -> optuna.samplers.BaseSampler:
    """Return what chooses the trial of a number."""
    seed = int(np.random.SeedSequence([settings.seed, number]).generate_state(1)[0])
    if settings.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=settings.startup_trials)


def _over(settings: Search, seconds: float) -> bool:
    return settings.timeout_minutes is not None and seconds > 60.0 * settings.timeout_minutes


def _least(study: optuna.Study, settings: Search, first: int) -> tuple[float, ...]:
    """By step, the median of the means so far of the trials before number `first`."""
    before = [one.intermediate_values for one in _trials(study)[:first] if one.intermediate_values]
    if settings.pruner == "none" or len(before) < settings.prune_after:
        return ()
    most = max(len(one) for one in before)
    return tuple(statistics.median(one[step] for one in before if step in one) for step in range(most))


def _tell(study: optuna.Study, number: int, found: Mapping[str, Any]) -> None:
    trial = optuna.trial.Trial(study, _trials(study)[number]._trial_id)
    values = [one["value"] for one in found["steps"]]
    for step in range(len(values)):
        trial.report(statistics.fmean(values[: step + 1]), step)
    for name in ("reason", "steps"):
        trial.set_user_attr(name, found[name])
    state = STATES[found["state"]]
    study.tell(number, found["value"] if state is TrialState.COMPLETE else None, state)


def _so_far(study: optuna.Study) -> str:
    values = [one.value for one in _trials(study) if one.state is TrialState.COMPLETE and one.value is not None]
    return f"best {max(values):.4g}" if values else ""


def _document(study: optuna.Study, config: Config, base: Config, folder: Path, ledger: Ledger) -> dict[str, Any]:
    settings = config.search
    trials = [one for one in _trials(study) if one.state.is_finished()]
    ended = [one for one in trials if one.state is TrialState.COMPLETE]
    if not ended:
        reasons = {str(one.user_attrs.get("reason")) for one in trials}
        remedy = "change [search.vary], or give it more time"
        raise ConfigError(
            broken(
                "search",
                "have a trial that came to its end",
                f"none of {len(trials)}",
                "; ".join(sorted(reasons)),
                remedy,
            )
        )
    best = max(ended, key=lambda one: (one.value, -one.number))
    values = _values(settings, best)
    chosen = with_values(msgspec.structs.replace(config, search=Search()), values)
    write_text(folder / BEST, dump(chosen))
    return {
        "study": str(folder / STUDY),
        "objective": settings.objective,
        "over": settings.over,
        "held_out_from": iso(to_ns(base.training.end)) if base.training.end else None,
        "best": {"number": best.number, "value": best.value, "parameters": values, "config": str(folder / BEST)},
        "set": [f"{key}={msgspec.json.encode(value).decode()}" for key, value in values.items()],
        "trials": [_row(one, settings) for one in trials],
        "states": {name: sum(one.state is state for one in trials) for name, state in STATES.items()},
        **_deflated(best, base, ledger),
    }


def _row(trial: FrozenTrial, settings: Search) -> dict[str, Any]:
    state = next(name for name, state in STATES.items() if state is trial.state)
    steps = trial.user_attrs.get("steps", [])
    return {
        "number": trial.number,
        "state": state,
        "value": trial.value,
        "parameters": _values(settings, trial),
        "steps": [one["value"] for one in steps],
        "degenerate": sum(bool(one["degenerate"]) for one in steps),
        "reason": trial.user_attrs.get("reason"),
    }


def _deflated(best: FrozenTrial, base: Config, ledger: Ledger) -> dict[str, Any]:
    """The best trial's Sharpe ratio per bar over its validation spans, mean over seeds, deflated by every trial of the family."""
    year = bars_per_year(base.universe.bar)
    counted = ledger.trials(family_name("policy", base.universe.instruments, base.universe.bar), year)
    found: list[Mapping[str, Any]] = best.user_attrs["steps"]
    none = {"trials_of_family": counted.number, "sharpe": None, "psr": None, "dsr": None}
    if any(one["sharpe_per_period"] is None for one in found):
        return none
    ratio, skew, kurtosis = (
        statistics.fmean(one[name] for one in found) for name in ("sharpe_per_period", "skew", "kurtosis")
    )
    periods = sum(one["periods"] for one in found) // len(base.training.seeds)
    estimate = SharpeEstimate(PerPeriod(ratio), PerPeriod(math.nan), periods, year, skew, kurtosis, 0)
    deflated = counted.deflate(estimate)
    alone = counted._replace(number=1).deflate(estimate)
    return none | {"sharpe": estimate.annualised, "psr": alone.probability, "dsr": deflated.probability}


def load_document(folder: Path) -> dict[str, Any]:
    """Read the document of a finished search."""
    return read_json(folder / RESULT)
