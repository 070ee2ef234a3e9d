"""`huracan monitor`: watch a session from a process of its own; tell people, answer Prometheus."""

import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from engine.console import err
from strategies.commands.options import application

app = application("Watch a session.")


@app.command()
def monitor(
    run: Annotated[str, typer.Argument(metavar="RUN|CONFIG", help="A run, or the configuration of a session.")],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Of /metrics and /health; 0 takes a free one.")] = 9464,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between looks.")] = 2.0,
    once: Annotated[
        bool, typer.Option("--once", help="Look once, without serving; exit code 3 where it is not healthy.")
    ] = False,
) -> None:
    """Look at a run folder, evaluate [alerts], send, and serve /metrics and /health. Ends with the run, or, for a CONFIG, at Ctrl-C."""
    from engine.contract.errors import CheckFailed, broken
    from live.monitoring.channels import Channels, of_environment
    from live.monitoring.exposition import Exposition
    from live.monitoring.monitor import Monitor, chosen, latest

    folder, config = chosen(run)
    channels = Channels(of_environment([*config.alerts.channels, *config.alerts.escalation]))
    watching = Monitor(folder, config.alerts, channels, _say)
    follows = Path(run).suffix == ".toml"
    stop = threading.Event()
    if once:
        watching.look()
        channels.close()
        code, document = watching.health()
        if code != 200:
            raise CheckFailed(broken(f"run {watching.run_id}", "be healthy", document["seen"]))
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    watching.look()
    with Exposition(watching.registry(), watching.health, host, port) as served:
        _say(f"watching {watching.run_id}: {served.address}/metrics and /health")
        while not stop.is_set():
            status = watching.look()
            ended = status is not None and status.seen == "ended"
            if ended and not follows:
                _say(f"{watching.run_id} ended: {status.stopped or 'done'}" if status is not None else "")
                break
            if follows and (ended or status is None or status.seen == "gone"):
                newer = latest(config.run.name)
                if newer is not None and newer.name != watching.folder.name:
                    watching.folder = newer
                    _say(f"watching {watching.run_id}")
            stop.wait(every)
    channels.close()


def _say(line: str) -> None:
    err.print(line, markup=False)
