"""drift.json: what is in alarm, and nothing else."""

from pathlib import Path

import msgspec
import numpy as np

from engine.contract.messages import Turn
from live.drifting import DRIFT, DriftFile


def test_file_lists_the_instruments_in_alarm(tmp_path: Path) -> None:
    file = DriftFile(tmp_path, ["A.X", "B.X"])
    turn = Turn(1, 0, (None, None), True)
    file.hear(turn)
    assert not (tmp_path / DRIFT).exists()
    turn.signals["drift"] = np.array([[1.0, 2.0, 1.0, 0.0, 1.0], [3.0, 2.0, 0.6, 1.0, 1.0]])
    file.hear(turn)
    written = msgspec.json.decode((tmp_path / DRIFT).read_bytes())
    assert written == [{"measure": "unlike training: B.X", "value": 3.0, "bound": 2.0}]
    turn.signals["drift"][1, 3] = 0.0
    file.hear(turn)
    assert msgspec.json.decode((tmp_path / DRIFT).read_bytes()) == []
