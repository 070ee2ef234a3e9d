"""`huracan demo`: the released policy on the sample catalog, beside its baselines; no network, no training."""

import time
from pathlib import Path

from engine.console import emit, out, progress
from engine.contract.config import load
from engine.journal.run import REPORT
from strategies.commands.backtest import STRATEGIES, interruptible, show
from strategies.commands.options import Json, application
from strategies.running import execute

app = application("Demo.")

ROOT = Path(__file__).resolve().parents[2]


@app.command()
def demo(as_json: Json = False) -> None:
    """Back-test the released policy on generated data that its training never saw, and write a report."""
    began = time.perf_counter()
    config = load(ROOT / "configs" / "demo.toml", [f'data.catalog="{ROOT / "catalogs" / "sample"}"'])
    with interruptible(), progress("demo", STRATEGIES) as advance:
        folder, document = execute(config, advance)
    document["policy"] = config.policy.path if config.policy else None
    document["report"] = str(folder / REPORT)
    document["seconds"] = round(time.perf_counter() - began, 2)

    def render() -> None:
        show(document, "policy")
        out.print(
            "The market is generated with planted momentum (huracan data synth trend): a policy should find it. "
            "Real markets are not so kind; docs/explanation/what-this-back-test-assumes.md says what to doubt.",
            markup=False,
        )

    emit(document, as_json, render)
