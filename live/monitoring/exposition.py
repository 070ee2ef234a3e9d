"""A page of metrics and a word on health over HTTP, on loopback, in a thread of its own."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from engine.contract.errors import EnvironmentFault, broken

LOOPBACK = "127.0.0.1"
Health = Callable[[], tuple[int, dict[str, Any]]]
"""Status code and document."""


class Exposition:
    """Serves `/metrics` and `/health` while it is entered.

    Parameters
    ----------
    registry, health
        Asked at each request.
    host, port
        Where; port 0 takes a free one.

    Raises
    ------
    EnvironmentFault
        The port is taken.
    """

    def __init__(self, registry: CollectorRegistry, health: Health, host: str = LOOPBACK, port: int = 0) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_PLAIN_0_0_4, generate_latest(registry))
                elif self.path == "/health":
                    code, document = health()
                    self._answer(code, "application/json", msgspec.json.encode(document) + b"\n")
                else:
                    self._answer(404, "application/json", b'{"error":"paths are /metrics and /health"}\n')

            def _answer(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Requests are not logged."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise EnvironmentFault(
                broken("port", "be free", port, f"{host}: {error}", "choose one with --port")
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="exposition", daemon=True)

    @property
    def address(self) -> str:
        """Base of the two paths."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> "Exposition":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
