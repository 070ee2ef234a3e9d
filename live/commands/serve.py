"""`huracan serve`: policies over HTTP, the same answers as in the strategy."""

import os
from typing import Annotated

import typer

from engine.console import err
from engine.contract.errors import UsageError, broken
from strategies.commands.options import application

app = application("Serve policies.")
TOKEN = "HURACAN_SERVE_TOKEN"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@app.command()
def serve(
    policies: Annotated[list[str], typer.Argument(metavar="POLICY...", help="Folders or NAME@VERSION.")],
    host: Annotated[str, typer.Option(help=f"Address to listen at; any but loopback needs {TOKEN}.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8765,
    waiting: Annotated[int, typer.Option(min=1, help="Requests per policy that may wait.")] = 256,
    most_rows: Annotated[int, typer.Option(min=1, max=1_024, help="Rows of a request.")] = 64,
    most_bytes: Annotated[int, typer.Option(min=1_024, help="Bytes of a request.")] = 4 * 1024 * 1024,
    answer_secs: Annotated[float, typer.Option(min=0.01, help="How long an answer may take.")] = 10.0,
) -> None:
    """Answer POST /predict with the graph of a policy, and GET /policies, /health, /metrics. Ctrl-C ends it."""
    token = os.environ.get(TOKEN, "")
    if host not in LOOPBACK and not token:
        raise UsageError(broken("service beyond loopback", f"have a token in {TOKEN}", "none", f"--host {host}"))
    from engine.policy.registry import resolve
    from engine.policy.session import PolicySession
    from live.serving.application import application as composed
    from live.serving.server import listening, run
    from live.serving.terms import ServiceTerms

    terms = ServiceTerms(most_rows=most_rows, most_bytes=most_bytes, waiting=waiting, answer_secs=answer_secs)
    sessions = [PolicySession(resolve(one)) for one in policies]
    with listening(host, port) as socket:
        address = f"http://{host}:{socket.getsockname()[1]}"
        err.print(f"serving {', '.join(session.name for session in sessions)} at {address}", markup=False)
        run(composed(sessions, terms, token), socket)
