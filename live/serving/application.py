"""The service's application: paths, limits, refusals, metrics."""

import asyncio
import hmac
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.contract.errors import UsageError, broken
from engine.contract.version import code_version
from engine.policy.session import Inference, PolicySession
from live.serving import refusal as refusals
from live.serving.batching import Batcher, shares_calls
from live.serving.description import describe, predict_schema
from live.serving.refusal import Refused, answer, refusal
from live.serving.request import Question, question, read_body
from live.serving.terms import ServiceTerms

PATHS = ("/predict", "/policies", "/health", "/metrics")
BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


def application(sessions: Sequence[PolicySession], terms: ServiceTerms = ServiceTerms(), token: str = "") -> FastAPI:
    """Compose the service of some policies.

    Parameters
    ----------
    sessions
        The policies; each name once.
    terms
        Sizes, times, queue.
    token
        What callers of `/predict` and `/policies` must bear; "" asks for none.

    Raises
    ------
    UsageError
        No policy, or one twice.
    """
    names = [session.name for session in sessions]
    if not names or len(set(names)) != len(names):
        raise UsageError(broken("policies", "be named once each, at least one", ", ".join(names) or "none"))
    service = _Service(sessions, terms, token)
    app = FastAPI(
        title="Huracan inference", version=code_version(), lifespan=service.lifespan, docs_url=None, redoc_url=None
    )
    refused = {"model": None, "content": {"application/json": {"schema": refusals.SCHEMA}}}
    responses: dict[int | str, dict[str, Any]] = {
        code: {"description": text, **refused}
        for code, text in (
            (400, "no JSON"),
            (401, "without the token"),
            (404, "no such policy"),
            (408, "the body came too slowly"),
            (413, "too large"),
            (415, "not JSON"),
            (422, "not as the contract says"),
            (503, "too many wait"),
            (504, "took too long"),
        )
    }
    app.post("/predict", responses=responses, response_class=Response, openapi_extra=predict_schema(sessions, terms))(
        service.predict
    )
    app.get("/policies", responses={401: responses[401]}, response_class=Response)(service.policies)
    app.get("/health", response_class=Response)(service.health)
    app.get("/metrics", response_class=Response)(service.metrics)
    app.add_middleware(_Measured, service=service)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(ClientDisconnect, _cut_off)
    app.add_exception_handler(Exception, _broken)
    app.add_exception_handler(HTTPException, _no_such_path)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.state.service = service
    return app


async def _no_such_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        made = refusal(Refused(405, "method", "be one that the path takes", request.method))
        made.headers.update(error.headers or {})
        return made
    rule = "be one of /predict, /policies, /health, /metrics, /openapi.json"
    return refusal(Refused(error.status_code, "path", rule, request.url.path))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error)


async def _cut_off(_request: Request, _error: Exception) -> Response:
    return refusal(Refused(400, "body", "come whole", "cut off"))


async def _broken(_request: Request, _error: Exception) -> Response:
    """The server logs what broke; a caller is not told of our inside."""
    return refusal(Refused(500, "service", "answer", "broken by this request", "see its log"))


async def _not_valid(_request: Request, error: Exception) -> Response:
    return refusal(Refused(422, "request", "be valid", str(error)))


class _Measured:
    """Counts and times every request, and refuses those without the token."""

    def __init__(self, app: ASGIApp, service: "_Service") -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, code = time.perf_counter(), 500
        path = scope["path"] if scope["path"] in PATHS else "other"

        async def noted(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            self._service.admit(Request(scope), path)
            await self._app(scope, receive, noted)
        except Refused as refused:
            await refusal(refused)(scope, receive, noted)
        finally:
            self._service.count(path, code, time.perf_counter() - began)


class _Service:
    def __init__(self, sessions: Sequence[PolicySession], terms: ServiceTerms, token: str) -> None:
        self._terms, self._token = terms, token
        self._batchers: dict[str, Batcher] = {}
        for session in sessions:
            shares = shares_calls(session, terms.most_rows)
            self._batchers[session.name] = Batcher(session, terms.waiting, terms.most_rows, shares)
        self._digests = {session.name: session.manifest.digest for session in sessions}
        self._described = [describe(session, batcher.shares) for session, batcher in zip(sessions, self.batchers)]
        self.registry = registry = CollectorRegistry()
        self._requests = Counter("huracan_service_requests", "Requests", ["path", "code"], registry=registry)
        self._seconds = Histogram(
            "huracan_service_seconds", "Time of a request", ["path"], registry=registry, buckets=BUCKETS
        )
        self._rows = Counter("huracan_service_rows", "Rows that were answered", ["policy"], registry=registry)
        self._calls = Gauge("huracan_service_calls", "Graph calls", ["policy"], registry=registry)
        self._waits = Gauge("huracan_service_waiting", "Requests that wait", ["policy"], registry=registry)
        for name, batcher in self._batchers.items():
            self._calls.labels(name).set_function(lambda one=batcher: one.calls)  # type: ignore[misc]
            self._waits.labels(name).set_function(lambda one=batcher: one.waiting)  # type: ignore[misc]

    @property
    def batchers(self) -> list[Batcher]:
        return list(self._batchers.values())

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """Answer while the application runs."""
        running = [asyncio.ensure_future(batcher.run()) for batcher in self.batchers]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            for batcher in self.batchers:
                batcher.close()

    def admit(self, request: Request, path: str) -> None:
        """Hold a request to the token."""
        if self._token and path in ("/predict", "/policies"):
            borne = request.headers.get("authorization", "")
            if not hmac.compare_digest(borne.encode(), f"Bearer {self._token}".encode()):
                raise Refused(401, "authorization", "be Bearer and the token", "absent" if not borne else "another")

    def count(self, path: str, code: int, secs: float) -> None:
        """Count and time a request."""
        self._requests.labels(path, str(code)).inc()
        self._seconds.labels(path).observe(secs)

    async def predict(self, request: Request) -> Response:
        """Ask a policy: one row per instrument of a turn, as its contract says."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refused(415, "content-type", "be application/json", kind or "absent")
        body = read_body(await self._body(request))
        batcher = self._chosen(body.policy)
        asked = question(body, batcher.session.contract, self._terms.most_rows)
        try:
            async with asyncio.timeout(self._terms.answer_secs):
                found = await batcher.ask(asked.inputs)
        except TimeoutError as error:
            rule = f"be answered within {self._terms.answer_secs:g} s"
            raise Refused(504, "request", rule, "not", "try again") from error
        self._rows.labels(batcher.session.name).inc(len(asked.asked))
        return answer(200, self._document(batcher.session.name, asked, found))

    def _chosen(self, name: str | None) -> Batcher:
        if name is None and len(self._batchers) == 1:
            return self.batchers[0]
        if name not in self._batchers:
            code, value = (422, "absent") if name is None else (404, name)
            raise Refused(code, "policy", f"be one of {', '.join(self._batchers)}", value)
        return self._batchers[name]

    async def _body(self, request: Request) -> bytes:
        most, secs = self._terms.most_bytes, self._terms.body_secs
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > most:
            raise Refused(413, "body", f"be at most {most} bytes", int(length))
        parts, taken = [], 0
        try:
            async with asyncio.timeout(secs):
                async for part in request.stream():
                    taken += len(part)
                    if taken > most:
                        raise Refused(413, "body", f"be at most {most} bytes", f"over {most}")
                    parts.append(part)
        except TimeoutError as error:
            raise Refused(408, "body", f"come within {secs:g} s", "not") from error
        return b"".join(parts)

    def _document(self, name: str, asked: Question, found: Inference) -> dict[str, Any]:
        if not all(np.isfinite(output).all() for output in found):
            raise Refused(422, "inputs", "lead to finite answers", "an answer that is not")
        document: dict[str, Any] = {"policy": name, "digest": self._digests[name]}
        for output, values in found._asdict().items():
            rows: list[Any] = values.tolist()
            if len(asked.asked) < asked.rows:
                spread: list[Any] = [None] * asked.rows
                for row, index in enumerate(asked.asked):
                    spread[index] = rows[row]
                rows = spread
            document[output] = rows
        return document

    async def policies(self) -> Response:
        """List the policies with their contracts."""
        return answer(200, {"policies": self._described})

    async def health(self) -> Response:
        """Say that the service answers, and how much waits."""
        waiting = {name: batcher.waiting for name, batcher in self._batchers.items()}
        return answer(200, {"healthy": True, "policies": list(self._batchers), "waiting": waiting})

    async def metrics(self) -> Response:
        """Metrics for Prometheus."""
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_PLAIN_0_0_4)
