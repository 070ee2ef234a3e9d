"""How much faster a walk-forward of learned policies is with two local workers than with one, in one run."""

import tempfile
import time
from pathlib import Path

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse
from engine.evaluation.ledger import Ledger
from models.walking import learner
from strategies.benchmarking import Measurement
from strategies.walking import walk_forward

BARS, TRAIN_BARS, TEST_BARS = 7_200, 3_000, 1_000


def measure(env_steps: int, seeds: int) -> tuple[list[Measurement], int]:
    """Walk the same plan with one worker and with two, each from nothing, and compare what they found.

    Parameters
    ----------
    env_steps
        Of each policy.
    seeds
        Policies of each fold.

    Returns
    -------
    One measurement: value is the time with two workers, baseline that with one, ratio how many times faster; the number of figures in
    which the two walks differ, 0 if all is well.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder)
        store_markets(root / "catalog", synthesise("trend", BARS, 11))
        config = _config(root / "catalog", env_steps, seeds)
        seconds, found = [], []
        for workers in (1, 2):
            here = root / str(workers)
            here.mkdir()
            began = time.perf_counter()
            _, document = walk_forward(
                config, learner(config), root=here, ledger=Ledger(here / "trials.sqlite"), workers=workers
            )
            seconds.append(time.perf_counter() - began)
            found.append({name: document[name] for name in ("folds", "metrics", "p_value", "dsr", "baselines")})
    one, two = seconds
    policies = len(found[0]["folds"]) * seeds
    differing = sum(found[0][name] != found[1][name] for name in found[0])
    return [Measurement("walk forward, two workers against one", two, "s", one, one / two, policies)], differing


def _config(catalog: Path, env_steps: int, seeds: int) -> Config:
    training = {"env_steps": env_steps, "evaluate_every": 6, "device": "cpu", "network": "mlp", "action": "continuous"}
    section = {"train_bars": TRAIN_BARS, "test_bars": TEST_BARS, "seeds": list(range(1, seeds + 1))}
    return parse(
        {
            "run": {"name": "bench"},
            "data": {"catalog": str(catalog)},
            "universe": {"instruments": ["TRENDUSDT.SIM"]},
            "limits": {"max_position_frac": 1.0},
            "training": training,
            "walkforward": section,
        }
    )
