"""A caller of an application in this process, without a socket."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class Caller:
    """Calls an application that runs while this is entered; time passes for it only within a call."""

    def __init__(self, app: FastAPI) -> None:
        self._app, self._runner = app, asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://service")

    def __enter__(self) -> "Caller":
        self._life = self._app.router.lifespan_context(self._app)
        self._runner.run(self._life.__aenter__())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._http.aclose())
        self._runner.run(self._life.__aexit__(None, None, None))
        self._runner.close()

    def post(self, path: str, **named: Any) -> httpx.Response:
        return self._runner.run(self._http.post(path, **named))

    def get(self, path: str, **named: Any) -> httpx.Response:
        return self._runner.run(self._http.get(path, **named))
