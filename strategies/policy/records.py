"""What a run with a [lifecycle] leaves behind: the journal of decisions that no order followed from, and every change of places."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.config import Config
from engine.journal.journal import Journal
from engine.journal.resumed import ResumedJournal
from engine.journal.run import write_json
from engine.journal.store import Store

SHADOW, LIFECYCLE = "shadow.parquet", "lifecycle.json"
SHADOW_STORE = "shadow.sqlite"


@contextmanager
def shadow_journal(folder: Path, config: Config, **terms: Any) -> Iterator[Journal | None]:
    """Open the shadow journal of a run folder, a new one or one that was cut short; None where nobody can be in shadow.

    Parameters
    ----------
    terms
        Of the store.
    """
    if config.lifecycle is None:
        yield None
        return
    with Store(folder / SHADOW_STORE, **terms) as store:
        yield ResumedJournal(store)


def write_lineup(folder: Path, strategy: Any) -> None:
    """Write the shadow journal and the changes of a strategy that has a line-up; nothing for another."""
    lineup = getattr(strategy, "lineup", None)
    if lineup is None:
        return
    lineup.shadow.end()
    lineup.shadow.write(folder / SHADOW)
    write_json(
        folder / LIFECYCLE,
        {
            "assignment": msgspec.to_builtins(lineup.assignment),
            "trial": None if lineup.trial is None else lineup.trial.figures(),
            "changes": [msgspec.to_builtins(note) for note in lineup.notes],
        },
    )


def drop_shadow_store(folder: Path) -> None:
    """Remove the store when its journal was written."""
    for left in folder.glob(f"{SHADOW_STORE}*"):
        left.unlink()
