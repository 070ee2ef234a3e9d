"""Retraining: the newest data become a candidate through the gates, or are refused with the figures of the gate that stopped them.

The gates, in order: a walk forward of the same settings up to the newest bar; a training that did not collapse; the training market equal
to the engine; the exported graph equal to torch, with golden vectors that reproduce. What was made of the same data and configuration
before is not made again, whether it became a candidate or was refused.
"""

import datetime as dt
import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from catalogs.manifest import read_manifest
from engine.contract.calendar import bar_ns, iso
from engine.contract.config import Config, dump
from engine.contract.errors import CheckFailed, DataError, broken
from engine.contract.retrain import Retrain
from engine.contract.version import code_version
from engine.evaluation.ledger import Ledger
from engine.policy.admission import admit, seat_of
from engine.policy.history import REGISTRY, History, Row
from engine.policy.registry import TRAINED
from models.commands.train import describe, refusal
from models.degeneracy import breaches
from models.equivalence import BRIEF_STEPS, equivalence
from models.export import export_policy, verify_export
from models.reference import reference_of
from models.tape import read_histories
from models.training import CHECKPOINTS, forget, train
from models.walking import learner
from strategies.commands.verify import failing
from strategies.running import dataset_digests
from strategies.walking import WALKS, walk_forward

NS_PER_DAY = 86_400 * 1_000_000_000
BY = "retrain"

Advance = Callable[[int, str], None]


def retrain(
    config: Config,
    *,
    command: str = "huracan retrain",
    again: bool = False,
    root: Path = TRAINED,
    registry: Path = REGISTRY,
    walks: Path = WALKS,
    checkpoints: Path = CHECKPOINTS,
    ledger: Ledger | None = None,
    workers: int | None = None,
    advance: Advance = lambda number, text: None,
) -> dict[str, Any]:
    """Make a candidate of the newest data.

    Parameters
    ----------
    config
        [retrain], [training], [walkforward], [universe], [venue], [limits]; `run.name` names the policy.
    command
        What the card says it was made by.
    again
        Even where the same data were used before.
    root, registry, walks, checkpoints
        Folders.
    workers
        Of the walk.
    advance
        Called with units done and a line.

    Returns
    -------
    `new` (whether there were new data), `policy, version, path, end, gates`.

    Raises
    ------
    CheckFailed
        A gate refused; the refusal is in the history.
    DataError
        The catalog lacks the bars.
    """
    section = config.retrain or Retrain()
    config = newest(config, section)
    history, key = History(config.run.name, registry), data_key(config)
    before = _made_of(history, key)
    if before is not None and not again:
        return _document(False, before, config)
    gates: dict[str, Any] = {}
    evidence = {
        "key": key,
        "gates": gates,
        "data": dataset_digests(config),
        "end": _end(config),
        "code_version": code_version(),
        "command": command,
    }
    try:
        if section.walk:
            advance(0, "walking forward")
            gates["walk"] = _walked(config, section, walks, ledger, workers, advance)
        folder = _trained(config, gates, command, root, checkpoints, ledger, advance)
    except CheckFailed as error:
        history.append("refused", None, BY, str(error), {**evidence, "policy": config.run.name})
        raise
    expires = None if section.expires_days is None else time.time_ns() + section.expires_days * NS_PER_DAY
    seat = seat_of(admit(folder), expires)
    history.append("candidate", seat, BY, f"data to {_end(config)}", evidence)
    row = _made_of(history, key)
    assert row is not None
    return _document(True, row, config)


def newest(config: Config, section: Retrain) -> Config:
    """Return the configuration with its spans moved to the newest bar that every instrument has.

    The walk begins where [data] says and ends there; training takes the last `retrain.bars`. Whoever trades is none of its business.

    Raises
    ------
    DataError
        The catalog lacks bars of an instrument.
    """
    held, ends = read_manifest(config.data.catalog), []
    for name in config.universe.instruments:
        dataset = held.dataset(name, "bars", config.universe.bar)
        if dataset is None:
            remedy = "huracan data import, or data download"
            raise DataError(broken("catalog", f"hold {config.universe.bar} bars of {name}", "none", "", remedy))
        ends.append(dt.datetime.fromisoformat(dataset.end))
    end = min(ends)
    length = dt.timedelta(microseconds=bar_ns(config.universe.bar) / 1_000)
    start = end - (section.bars or config.walkforward.train_bars) * length
    return msgspec.structs.replace(
        config,
        data=msgspec.structs.replace(config.data, end=end),
        training=msgspec.structs.replace(config.training, start=start, end=end),
        lifecycle=None,
        policy=None,
        strategy={"name": "policy"},
    )


def data_key(config: Config) -> str:
    """SHA-256 over the data and the configuration: what says whether there is anything new to learn from."""
    parts = [dump(config), sorted(dataset_digests(config).items())]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _made_of(history: History, key: str) -> Row | None:
    rows = [row for row in history.rows() if row.event in ("candidate", "refused") and row.evidence.get("key") == key]
    return rows[-1] if rows else None


def _walked(
    config: Config, section: Retrain, walks: Path, ledger: Ledger | None, workers: int | None, advance: Advance
) -> dict[str, Any]:
    folder, walk = walk_forward(
        config, learner(config), root=walks, ledger=ledger, workers=workers, advance=lambda n, text: advance(0, text)
    )
    folds = walk["folds"]
    collapsed = sum(any(one["degenerate"] for one in fold["seeds"] if one["seed"] == fold["seed"]) for fold in folds)
    figures: dict[str, Any] = {
        name: walk[name] for name in ("sharpe", "sharpe_error", "psr", "dsr", "p_value", "trials")
    }
    figures |= {"folds": len(folds), "degenerate_frac": collapsed / len(folds), "folder": str(folder)}
    bounds = (
        ("sharpe", section.min_sharpe, "at least"),
        ("psr", section.min_psr, "at least"),
        ("degenerate_frac", section.max_degenerate_frac, "at most"),
    )
    for name, bound, side in bounds:
        value = figures[name]
        if bound is None:
            continue
        if value is None or not (value >= bound if side == "at least" else value <= bound):
            shown = "not known" if value is None else f"{value:.4g}"
            raise CheckFailed(broken(f"{name} of the walk", f"be {side} {bound:g}", shown, str(folder)))
    return figures


def _trained(
    config: Config,
    gates: dict[str, Any],
    command: str,
    root: Path,
    checkpoints: Path,
    ledger: Ledger | None,
    advance: Advance,
) -> Path:
    result = train(config, advance, root=checkpoints, ledger=ledger if ledger is not None else Ledger())
    collapsed = breaches(result.best.validation)
    gates["degeneracy"] = {"breaches": [str(one) for one in collapsed], "validation": result.best.validation}
    if collapsed:
        raise CheckFailed(refusal(collapsed, config.run.name))
    advance(0, "comparing with the engine")
    histories = read_histories(config, *config.training_span_ns)
    compared = equivalence(config, histories, BRIEF_STEPS, graph=result.graph, spec=result.graph.spec)
    gates["env"] = {name: compared.document()[name] for name in ("passed", "checked", "differences")}
    failing("env", compared.verdict)
    advance(0, "exporting")
    described = describe(config, result, command, compared)
    reference = reference_of(config, histories)
    folder = export_policy(result.graph, config.universe.bar, result.windows, described, root, reference)
    checked, differences, first = verify_export(folder)
    gates["export"] = {"checked": checked, "differences": differences}
    if differences:
        shutil.rmtree(folder)
        raise CheckFailed(broken("exported graph", f"answer as torch on {checked} inputs", f"not, first {first}"))
    forget(config, result.data, checkpoints)
    return folder


def _end(config: Config) -> str:
    assert config.training.end is not None
    return iso(int(config.training.end.timestamp()) * 1_000_000_000)


def _document(new: bool, row: Row, config: Config) -> dict[str, Any]:
    seat = row.seat
    return {
        "new": new,
        "event": row.event,
        "policy": config.run.name,
        "version": None if seat is None else seat.version,
        "path": None if seat is None else seat.path,
        "end": row.evidence["end"],
        "gates": row.evidence["gates"],
        "why": row.why,
    }
