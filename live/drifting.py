"""What drifts, as a file of the run folder: whoever watches the session raises the alert from it."""

from collections.abc import Sequence
from pathlib import Path

from engine.contract.messages import Turn
from engine.journal.run import write_json
from engine.risk.drift import ALARM, BOUND, SCORE

DRIFT = "drift.json"


class DriftFile:
    """`drift.json`: a list of `measure`, `value`, `bound` of every instrument in alarm; written when [actors.drift] has spoken.

    Parameters
    ----------
    folder
        Of the run.
    names
        Instrument ids, in configuration order.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._path, self._names = folder / DRIFT, list(names)
        self._written: list[dict[str, object]] | None = None

    def hear(self, turn: Turn) -> None:
        """Take in a turn that was decided; the file is written when it would say something else."""
        said = turn.signals.get("drift")
        if said is None:
            return
        found: list[dict[str, object]] = [
            {"measure": f"unlike training: {name}", "value": float(row[SCORE]), "bound": float(row[BOUND])}
            for name, row in zip(self._names, said)
            if row[ALARM] > 0.0
        ]
        if found != self._written:
            write_json(self._path, found)
            self._written = found
