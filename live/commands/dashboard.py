"""`huracan dashboard`: the pages of all runs, those that are going on and those that have ended."""

import sys
import webbrowser
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from engine.console import err, out
from engine.contract.errors import EnvironmentFault, broken
from engine.journal.run import RUNS, find_run, run_id_of
from strategies.commands.options import application as command

app = command("Look at runs in a browser, and control those that are going on.")


@app.command()
def dashboard(
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Open this run; otherwise the list of all.")] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of the runs.")] = RUNS,
    host: Annotated[
        str, typer.Option(help="Address to bind; other than loopback, pages too need the token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 takes a free one.")] = 8080,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
) -> None:
    """Serve the dashboard until Ctrl-C. It only reads run folders, and writes controls, each with the token."""
    import socket

    import uvicorn

    from live.dashboard.guarding import VARIABLE, Guard, make_token
    from live.dashboard.shield import is_loopback
    from live.dashboard.web import application

    import_module("live.monitoring.finished")  # or the first page would wait for it
    path = "" if run is None else f"run/{run_id_of(find_run(run, runs, begun=True))}"
    token, made = make_token()
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen()
    except OSError as error:
        bound.close()
        remedy = "choose another with --port"
        raise EnvironmentFault(broken("address", "be free to bind", error, f"{host}:{port}", remedy)) from error
    public = not is_loopback(host)
    served = application(runs.absolute(), Guard(token), public)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{bound.getsockname()[1]}/{path}"
    out.print(f"dashboard {address}", markup=False, soft_wrap=True)
    if made:
        out.print(f"token     {token}", markup=False, soft_wrap=True)
    else:
        out.print(f"token     that of {VARIABLE}", markup=False)
    if public:
        err.print("bound beyond this machine, without encryption: put a proxy with TLS before it", markup=False)
    sys.stdout.flush()
    if not no_browser:
        webbrowser.open(address)
    config = uvicorn.Config(served, log_level="warning", access_log=False, ws_max_size=1_000_000, server_header=False)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[bound])
