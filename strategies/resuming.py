"""A back test that was killed or interrupted, gone on with: its stored part comes again first, and is held to what was stored."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.config import Config
from engine.contract.config import load as load_config
from engine.contract.errors import ConfigError, UsageError, broken
from engine.evaluation.ledger import Ledger
from engine.journal import run as folder_format
from strategies.assembly import load_session, pinned
from strategies.backtest import load
from strategies.counting import Counted, ledger_beside
from strategies.running import carry_out, identity


def resume(
    run_id: str,
    config: Config | None = None,
    advance: Any = None,
    runs: Path = folder_format.RUNS,
    baselines: bool | None = None,
    say: Callable[[str], None] | None = None,
    ledger: Ledger | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Go on with an unfinished run, from the configuration in its folder.

    The engine cannot be stored, so the run begins again at the start of its span. Every decision is held to the stored one, and the states
    of all components to the stored states, which are then restored; the run goes on from there. Its files are those of a run that was
    never cut short, and it is one trial with the part that was: the row that was opened for it is completed.

    Parameters
    ----------
    config
        Where one is given, it must be the run's own.
    advance
        As in `strategies.running.execute`.
    baselines
        Whether the baselines run too; None means as the run was started.
    say
        Called with a line for each thing that changed since the run was started, before anything is run.
    ledger
        As in `strategies.running.execute`.

    Returns
    -------
    The run folder, and the document that `huracan backtest --json` prints.

    Raises
    ------
    UsageError
        There is no such unfinished back test, or a process is at it.
    ConfigError
        The configuration is not the one that the run was started with.
    engine.journal.resumed.ReplayDiffers
        A decision or a state did not come again; the run stays unfinished, and as it was.
    """
    staged = folder_format.find_unfinished(run_id, runs)
    begun = folder_format.read_json(staged / folder_format.MANIFEST)
    if begun["mode"] != "backtest":
        raise UsageError(
            broken(
                f"run {run_id}", "be a back test", begun["mode"], remedy=f"huracan {begun['mode']} --resume {run_id}"
            )
        )
    own = _configuration(staged, begun, config)
    market, session = load(own)
    now = identity(begun["run_id"], own, market, session)
    for line in changes(begun, now):
        (say or (lambda _: None))(line)
    wanted = begun["baselines"] if baselines is None else baselines
    document: dict[str, Any] = {}

    def fill(folder: Path, name: str) -> None:
        counted = Counted(ledger or ledger_beside(runs), own, market.span_ns, folder)
        document.update(carry_out(folder, name, own, market, session, advance, wanted, counted))

    return folder_format.finish_run(staged, fill), document


def _configuration(staged: Path, begun: dict[str, Any], given: Config | None) -> Config:
    path = staged / folder_format.CONFIG
    own = load_config(path)
    if given is not None:
        given = pinned(given, load_session(given))
    if given is not None and (key := _first_difference(own, given)) is not None:
        name, left, right = key
        rule = f"be {left!r}, as the run was started"
        raise ConfigError(broken(name, rule, repr(right), begun["run_id"], "leave the configuration out"))
    return own


def _first_difference(own: Config, given: Config) -> tuple[str, Any, Any] | None:
    left, right = (dict(_flat(config)) for config in (own, given))
    for name in [*left, *(name for name in right if name not in left)]:
        if left.get(name) != right.get(name):
            return name, left.get(name), right.get(name)
    return None


def _flat(config: Config) -> Iterator[tuple[str, Any]]:
    def walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for key, item in value.items():
                yield from walk(item, f"{path}.{key}" if path else key)
        else:
            yield path, value

    yield from walk(msgspec.to_builtins(config), "")


def changes(begun: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a line for each thing of two manifests' identity that is not the same: data, policy, configuration, code.

    None of them forbids to go on: the result is what a run from the start gives today, and what was stored must come again.
    """
    found = []
    for name in sorted({*begun["datasets"], *now["datasets"]}):
        found.append((f"data {name}", begun["datasets"].get(name), now["datasets"].get(name)))
    for key in ("policy_digest", "config_sha256", "code_version"):
        found.append((key.replace("_", " "), begun[key], now[key]))
    return [f"changed since the run was started: {name}, was {was}, is {is_}" for name, was, is_ in found if was != is_]
