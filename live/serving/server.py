"""The server under the service: one process, one event loop, on a socket that is already bound."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from engine.contract.errors import EnvironmentFault, broken

KEEP_ALIVE_SECS = 15
CONNECTIONS = 1_024
"""Requests in work beyond which the server itself answers 503."""


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Bind a socket.

    Raises
    ------
    EnvironmentFault
        The address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise EnvironmentFault(
            broken("address", "be free", f"{host}:{port}", str(error), "choose another --port")
        ) from error
    with bound:
        yield bound


def server_of(app: FastAPI) -> uvicorn.Server:
    """Return the server of an application, not yet running."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECS,
        limit_concurrency=CONNECTIONS,
        server_header=False,
        date_header=False,
    )
    return uvicorn.Server(config)


def run(app: FastAPI, bound: socket.socket) -> None:
    """Serve until the process is told to end."""
    server_of(app).run(sockets=[bound])
