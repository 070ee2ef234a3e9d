"""The back test's side, in this process or in one of its own: there the hashes of strings, and with them the order of sets, are others."""

import os
import subprocess
import sys
from pathlib import Path

from engine.contract.config import Config, dump
from engine.contract.config import load as load_config
from engine.contract.errors import broken
from engine.journal.run import CONFIG, JOURNAL, read_json, write_json
from live.parity.sides import Side, of_folder
from strategies.backtest import RunFailure, load, run

FACTS = "facts.json"


def tested(config: Config, folder: Path, apart: bool) -> tuple[Side, int]:
    """Run the back test into a folder.

    Parameters
    ----------
    apart
        In a process of its own: what depends on the order of a set of strings then comes out otherwise than in this one.

    Returns
    -------
    Its side, and the payments of funding in it.

    Raises
    ------
    RunFailure
        It did not come to its end.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(dump(config), encoding="utf-8")
    if apart:
        seed = (int(os.environ.get("PYTHONHASHSEED", "random").replace("random", "0")) + 1) % 2**32
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-m", "live.parity.tested", str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no word"]
            raise RunFailure(broken("back test", "come to its end", last[0], str(folder)))
    else:
        write_tested(folder)
    facts = read_json(folder / FACTS)
    return of_folder(folder, facts["inference"]), facts["settlements"]


def write_tested(folder: Path) -> None:
    """Run the configuration that lies in a folder, and write what it did beside it."""
    config = load_config(folder / CONFIG)
    market, session = load(config)
    outcome = run(config, market, session)
    outcome.journal.write(folder / JOURNAL)
    outcome.blotter.write(folder)
    inference = None if session is None else session.inference
    write_json(folder / FACTS, {"settlements": len(outcome.settlements), "inference": inference})


if __name__ == "__main__":
    write_tested(Path(sys.argv[1]))
