"""The recorded proof: what a session received comes again, through the same strategy and actors, and is held to what it did."""

import hashlib
from pathlib import Path

from engine.contract.config import load
from engine.journal.certificate import Certificate
from engine.journal.run import CONFIG, MANIFEST, read_json
from live.parity.proving import certify, identity_of
from live.parity.sides import of_assembly, of_folder
from live.recording.tape import tape_path
from live.replay.recorded import replay_run
from strategies.assembly import load_session


def prove_recorded(folder: Path) -> Certificate:
    """Replay a session from its folder, and compare everything that it wrote down.

    Parameters
    ----------
    folder
        Of a paper or a live session that has ended.

    Raises
    ------
    UsageError
        The run is a back test.
    DataError
        Its tape or its journal is missing or damaged.
    """
    manifest, config = read_json(folder / MANIFEST), load(folder / CONFIG)
    recorded = of_folder(folder, manifest.get("inference"))
    policy = load_session(config)
    again = of_assembly(replay_run(folder, policy=policy), None if policy is None else policy.inference)
    missing = [] if recorded.fills else ["a fill"]
    if manifest["mode"] == "paper":
        missing.append("orders at a venue: fills are simulated in both")
    else:
        missing.append("the account's equity: it is the venue's, and is told again as it was told then")
    identity = identity_of(config, policy, tape_sha256=hashlib.sha256(tape_path(folder).read_bytes()).hexdigest())
    return certify(identity, recorded, again, missing, "recorded", "recorded")
