"""How long the service takes, beside the session that it asks: a server in a process of its own, callers in this one, loopback between."""

import http.client
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from engine.contract.errors import CheckFailed, broken
from engine.policy.manifest import GOLDEN
from engine.policy.registry import resolve
from engine.policy.session import PolicySession
from live.serving.request import Inputs
from strategies.benchmarking import Measurement

START_SECS = 60.0
BATCH = 32
CALLERS = 8


@contextmanager
def served(policy: str) -> Iterator[tuple[str, int]]:
    """Run `huracan serve` on a free port; yield where."""
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "engine.cli", "serve", policy, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield _address(process)
        finally:
            process.terminate()
            process.wait(10)


def _address(process: "subprocess.Popen[str]") -> tuple[str, int]:
    assert process.stderr is not None
    line = process.stderr.readline()
    host, _, port = line.strip().rpartition("http://")[2].partition(":")
    if not port.isdecimal():
        raise CheckFailed(broken("service", "say where it answers", repr(line), "", "huracan serve POLICY tells more"))
    deadline = time.monotonic() + START_SECS
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection(host, int(port), timeout=START_SECS)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                connection.close()
                return host, int(port)
        except ConnectionError:
            time.sleep(0.05)
    raise CheckFailed(broken("service", f"answer within {START_SECS:g} s", "not"))


def measure(policy: str, requests: int) -> list[Measurement]:
    """Time requests of one row and of 32, one after the other and by eight callers at once, each beside the direct call.

    Raises
    ------
    CheckFailed
        The service did not answer, or answered otherwise than the session.
    """
    session = PolicySession(resolve(policy))
    with np.load(session.folder / GOLDEN, allow_pickle=False) as golden:
        inputs = {spec.name: golden[spec.name] for spec in session.contract.inputs}
    one, many = _rows(inputs, 1), _rows(inputs, BATCH)
    direct_one, direct_many = _direct(session, one, requests), _direct(session, many, requests)
    with served(policy) as place:
        _check(place, session, one)
        _check(place, session, many)
        single = _sequential(place, _body(one), requests)
        batch = _sequential(place, _body(many), requests)
        together, seconds = _at_once(place, _body(one), requests)
        shared, shared_secs = _at_once(place, _body(_rows(inputs, 4)), requests)
    rows = [
        _milliseconds("one row, p50", single, direct_one, 50),
        _milliseconds("one row, p95", single, direct_one, 95),
        _milliseconds("one row, p99", single, direct_one, 99),
        _milliseconds(f"{BATCH} rows, p95", batch, direct_many, 95),
        _milliseconds(f"one row, {CALLERS} callers, p95", together, direct_one, 95),
    ]
    direct_rate = BATCH * len(direct_many) / sum(direct_many)
    for name, value, n in (
        (f"throughput, {BATCH} rows a request", BATCH * len(batch) / sum(batch), len(batch)),
        (f"throughput, 1 row a request, {CALLERS} callers", len(together) / seconds, len(together)),
        (f"throughput, 4 rows a request, {CALLERS} callers", 4 * len(shared) / shared_secs, len(shared)),
    ):
        rows.append(Measurement(name, value, "rows/s", direct_rate, value / direct_rate, n))
    return rows


def _rows(inputs: Inputs, count: int) -> Inputs:
    return {name: np.ascontiguousarray(tensor[:count]) for name, tensor in inputs.items()}


def _body(inputs: Inputs) -> bytes:
    return msgspec.json.encode({"inputs": {name: tensor.tolist() for name, tensor in inputs.items()}})


def _direct(session: PolicySession, inputs: Inputs, times: int) -> list[float]:
    for _ in range(10):
        session(inputs)
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        session(inputs)
        taken.append(time.perf_counter() - began)
    return taken


def _post(connection: http.client.HTTPConnection, body: bytes) -> bytes:
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answered = response.read()
    if response.status != 200:
        raise CheckFailed(broken("service", "answer 200", response.status, answered.decode()[:200]))
    return answered


def _check(place: tuple[str, int], session: PolicySession, inputs: Inputs) -> None:
    connection = http.client.HTTPConnection(*place)
    found = msgspec.json.decode(_post(connection, _body(inputs)))
    connection.close()
    for name, values in session(inputs)._asdict().items():
        if found[name] != values.tolist():
            raise CheckFailed(broken(f"service's {name}", "be the session's to the last bit", "another"))


def _sequential(place: tuple[str, int], body: bytes, times: int) -> list[float]:
    connection, taken = http.client.HTTPConnection(*place), []
    for number in range(times + 10):
        began = time.perf_counter()
        _post(connection, body)
        if number >= 10:
            taken.append(time.perf_counter() - began)
    connection.close()
    return taken


def _at_once(place: tuple[str, int], body: bytes, times: int) -> tuple[list[float], float]:
    parts: list[list[float]] = [[] for _ in range(CALLERS)]

    def call(number: int) -> None:
        parts[number] = _sequential(place, body, max(1, times // CALLERS))

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    whole = time.perf_counter() - began
    taken = [secs for part in parts for secs in part]
    return taken, whole * len(taken) / (len(taken) + 10 * CALLERS)


def _milliseconds(name: str, taken: list[float], direct: list[float], part: int) -> Measurement:
    value, baseline = (float(np.percentile(times, part)) * 1e3 for times in (taken, direct))
    return Measurement(name, value, "ms", baseline, value / baseline, len(taken))
