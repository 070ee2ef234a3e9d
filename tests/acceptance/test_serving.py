"""The service over a socket: fuzzed by its own schema, asked by many at once, and its command."""

import http.client
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine import cli
from engine.policy.manifest import GOLDEN
from engine.policy.session import PolicySession
from live.serving.application import application
from live.serving.server import listening, server_of
from live.serving.terms import ServiceTerms
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
TREND = ROOT / "models" / "released" / "trend" / "2"
TERMS = ServiceTerms(most_rows=4, most_bytes=300_000, body_secs=0.5)


@pytest.fixture(scope="module")
def session() -> PolicySession:
    return PolicySession(TREND)


@pytest.fixture(scope="module")
def place(session: PolicySession) -> Iterator[tuple[str, int]]:
    with listening("127.0.0.1", 0) as bound:
        server = server_of(application([session], TERMS))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        yield bound.getsockname()[:2]
        server.should_exit = True
        thread.join(30)


def call(place: tuple[str, int], body: bytes, **headers: str) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(*place, timeout=60)
    try:
        connection.request("POST", "/predict", body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        return response.status, msgspec.json.decode(response.read())
    finally:
        connection.close()


def bodies(session: PolicySession) -> list[tuple[bytes, list[float]]]:
    with np.load(session.folder / GOLDEN, allow_pickle=False) as golden:
        inputs = {spec.name: golden[spec.name] for spec in session.contract.inputs}
    found = []
    for first in range(0, 60, 3):
        rows = slice(first, first + 1 + first % 4)
        own = {name: tensor[rows] for name, tensor in inputs.items()}
        body = msgspec.json.encode({"inputs": {name: tensor.tolist() for name, tensor in own.items()}})
        found.append((body, session(own).action.tolist()))
    return found


def test_many_callers_at_once_each_get_the_bits_of_the_session(place: tuple[str, int], session: PolicySession) -> None:
    asked = bodies(session)
    good = b'{"inputs": {}}'
    with ThreadPoolExecutor(8) as pool:
        right = [pool.submit(call, place, body) for body, _ in asked]
        wrong = [pool.submit(call, place, body) for body in (good, b"{", b" " * 400_000)]
        for (_, wanted), future in zip(asked, right):
            code, document = future.result()
            assert (code, document["action"]) == (200, wanted)
        assert [future.result()[0] for future in wrong] == [422, 400, 413]


def test_body_that_does_not_come_is_given_up_and_others_are_answered(
    place: tuple[str, int], session: PolicySession
) -> None:
    body, wanted = bodies(session)[0]
    with socket.create_connection(place, timeout=30) as slow:
        slow.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        assert call(place, body)[1]["action"] == wanted
        assert slow.recv(4_096).startswith(b"HTTP/1.1 408 ")


def test_caller_that_hangs_up_leaves_the_service_as_it_was(place: tuple[str, int], session: PolicySession) -> None:
    body, wanted = bodies(session)[1]
    for _ in range(5):
        with socket.create_connection(place, timeout=30) as one:
            head = f"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            one.sendall(head.encode() + body[: len(body) // 2])
    assert call(place, body)[1]["action"] == wanted


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_requests_made_up_from_the_schema_get_clean_answers(place: tuple[str, int], mode: str) -> None:
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import CHECKS

    schema = schemathesis.openapi.from_url(f"http://{place[0]}:{place[1]}/openapi.json")
    names = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
    checks = CHECKS.get_by_names(names)
    seen: dict[int, int] = {}
    made = schema["/predict"]["POST"].as_strategy(schemathesis.GenerationMode(mode))

    @settings(
        derandomize=True,
        deadline=None,
        max_examples=40 if mode == "negative" else 15,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=made)
    def fuzz(case: Any) -> None:
        response = case.call(timeout=60)
        seen[response.status_code] = seen.get(response.status_code, 0) + 1
        case.validate_response(response, checks=checks)

    fuzz()
    assert sum(seen.values()) >= 15
    assert set(seen) <= {200, 400, 404, 405, 413, 415, 422}, seen


def test_bench_measures_the_service_beside_the_session(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "service", "--policy", str(TREND), "--requests", "16", "--json"]) == 0
    rows = msgspec.json.decode(capsys.readouterr().out)["results"]
    assert {row["name"] for row in rows} >= {"one row, p95", "throughput, 32 rows a request"}
    assert all(row["ratio"] > 0.0 and row["n"] >= 16 for row in rows)


def test_service_beyond_loopback_without_a_token_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HURACAN_SERVE_TOKEN", raising=False)
    assert cli.main(["serve", str(TREND), "--host", "0.0.0.0"]) == 2
    assert "must have a token in HURACAN_SERVE_TOKEN" in capsys.readouterr().err
