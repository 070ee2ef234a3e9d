"""The service: the strategy's answer to the last bit, and a clean word for everything else."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from engine.policy.manifest import GOLDEN
from engine.policy.session import Inference, PolicySession
from live.serving.application import application
from live.serving.batching import Batcher, shares_calls
from live.serving.terms import ServiceTerms
from tests.conftest import ROOT
from tests.unit.live.serving.calling import Caller

TERMS = ServiceTerms(most_rows=8, most_bytes=200_000)


@pytest.fixture(scope="module")
def session() -> PolicySession:
    return PolicySession(ROOT / "models" / "released" / "trend" / "2")


@pytest.fixture(scope="module")
def golden(session: PolicySession) -> dict[str, np.ndarray]:
    with np.load(session.folder / GOLDEN, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


@pytest.fixture(scope="module")
def client(session: PolicySession) -> Iterator[Caller]:
    with Caller(application([session], TERMS)) as found:
        yield found


def taken(golden: dict[str, np.ndarray], *rows: int) -> dict[str, np.ndarray]:
    return {name: golden[name][list(rows)] for name in ("bars", "position", "portfolio")}


def body(inputs: dict[str, np.ndarray], **more: Any) -> dict[str, Any]:
    return {"inputs": {name: tensor.tolist() for name, tensor in inputs.items()}, **more}


def equal(document: dict[str, Any], wanted: Inference) -> bool:
    return all(document[name] == values.tolist() for name, values in wanted._asdict().items())


@pytest.mark.parametrize("rows", [(0,), (1, 2), (3, 4, 5, 6, 7, 8, 9, 10)])
def test_answer_is_that_of_the_strategys_session_to_the_last_bit(
    client: Caller, session: PolicySession, golden: dict[str, np.ndarray], rows: tuple[int, ...]
) -> None:
    inputs = taken(golden, *rows)
    found = client.post("/predict", json=body(inputs))
    assert found.status_code == 200
    assert equal(found.json(), session(inputs))
    assert (found.json()["policy"], found.json()["digest"]) == ("trend@2", session.manifest.digest)
    assert np.allclose(found.json()["action"], golden["action"][list(rows)], atol=1e-4)


def test_row_that_is_masked_is_not_asked_and_the_others_are_asked_as_in_its_absence(
    client: Caller, session: PolicySession, golden: dict[str, np.ndarray]
) -> None:
    inputs = taken(golden, 0, 1, 2)
    inputs["bars"][1] = -1.0
    found = client.post("/predict", json=body(inputs, mask=[True, False, True])).json()
    wanted = session(taken(golden, 0, 2))
    assert found["action"] == [wanted.action[0], None, wanted.action[1]]
    assert found["logits"][1] is None


def test_requests_that_share_a_call_get_the_bits_of_their_own(
    session: PolicySession, golden: dict[str, np.ndarray]
) -> None:
    groups = [(0,), (1, 2), (3, 4, 5), (6,), (7, 8)]

    async def asked() -> tuple[list[Inference], int]:
        batcher = Batcher(session, shares=shares_calls(session, 8))
        questions = [asyncio.ensure_future(batcher.ask(taken(golden, *rows))) for rows in groups]
        await asyncio.sleep(0)
        running = asyncio.ensure_future(batcher.run())
        answers = await asyncio.gather(*questions)
        running.cancel()
        return answers, batcher.calls

    answers, calls = asyncio.run(asked())
    for rows, answer in zip(groups, answers):
        wanted = session(taken(golden, *rows))
        assert all(np.array_equal(getattr(answer, name), getattr(wanted, name)) for name in Inference._fields), rows
    assert calls < len(groups) or not shares_calls(session, 8)


def changed_at(inputs: dict[str, Any], name: str, *path: int, value: object) -> dict[str, Any]:
    document = json.loads(json.dumps({key: tensor.tolist() for key, tensor in inputs.items()}))
    place = document[name]
    for index in path[:-1]:
        place = place[index]
    place[path[-1]] = value
    return {"inputs": document}


def without(inputs: dict[str, Any], name: str) -> dict[str, Any]:
    return body({key: tensor for key, tensor in inputs.items() if key != name})


@pytest.mark.parametrize(
    ("made", "code", "field", "rule"),
    [
        (lambda x: without(x, "bars"), 422, "inputs.bars", "be given"),
        (lambda x: body({**x, "news": x["position"]}), 422, "inputs.news", "be one of bars, portfolio, position"),
        (lambda x: body(x, more=1), 422, "body", "be of its type"),
        (lambda x: {}, 422, "body", "be of its type"),
        (lambda x: [], 422, "body", "be of its type"),
        (lambda x: body({**x, "position": x["position"][:1]}), 422, "inputs.position", "have 2 rows, as bars has"),
        (lambda x: body({**x, "bars": x["bars"][:, 1:]}), 422, "inputs.bars[0]", "have length 96"),
        (lambda x: body({**x, "bars": x["bars"][:, :, 1:]}), 422, "inputs.bars[0][0]", "have length 5"),
        (lambda x: body({**x, "bars": x["bars"][:0]}), 422, "inputs.bars", "have 1 to 8 rows"),
        (lambda x: body({k: np.repeat(t, 5, 0) for k, t in x.items()}), 422, "inputs.bars", "have 1 to 8 rows"),
        (lambda x: changed_at(x, "bars", 1, 95, 3, value="1"), 422, "inputs.bars[1][95][3]", "be of its type"),
        (lambda x: changed_at(x, "bars", 1, 95, 3, value=None), 422, "inputs.bars[1][95][3]", "be of its type"),
        (lambda x: changed_at(x, "bars", 1, 95, 3, value=[1.0]), 422, "inputs.bars[1][95][3]", "be of its type"),
        (
            lambda x: changed_at(x, "bars", 1, 95, 3, value=1e300),
            422,
            "inputs.bars[1][95][3]",
            "be finite as float32 (close)",
        ),
        (
            lambda x: changed_at(x, "bars", 1, 95, 0, value=0.0),
            422,
            "inputs.bars[1][95][0]",
            "be a positive price or a volume that is not negative (open)",
        ),
        (
            lambda x: changed_at(x, "bars", 0, 3, 4, value=-1.0),
            422,
            "inputs.bars[0][3][4]",
            "be a positive price or a volume that is not negative (volume)",
        ),
        (lambda x: body(x, mask=[True]), 422, "mask", "have 2 values, one per row"),
        (lambda x: body(x, mask=[False, False]), 422, "mask", "leave a row to ask"),
        (lambda x: body(x, mask=[1, 0]), 422, "mask[0]", "be of its type"),
        (lambda x: body(x, policy="trend@9"), 404, "policy", "be one of trend@2"),
    ],
)
def test_request_that_breaks_the_contract_is_told_field_rule_and_value(
    client: Caller, golden: dict[str, np.ndarray], made: Any, code: int, field: str, rule: str
) -> None:
    found = client.post("/predict", json=made(taken(golden, 0, 1)))
    error = found.json()["error"]
    assert (found.status_code, error["field"], error["rule"]) == (code, field, rule)
    assert error["value"]
    assert error["message"].startswith(f"{field} must {rule}, was ")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"inputs": {"bars": NaN}}', b"nothing"])
def test_body_that_is_no_json_is_refused(client: Caller, content: bytes) -> None:
    found = client.post("/predict", content=content, headers={"content-type": "application/json"})
    assert (found.status_code, found.json()["error"]["field"]) == (400, "body")


async def parts() -> AsyncIterator[bytes]:
    for _ in range(3):
        yield b" " * 100_000


def test_body_that_is_too_large_is_refused_whether_it_says_so_or_not(client: Caller) -> None:
    kind = {"content-type": "application/json"}
    declared = client.post("/predict", content=b" " * 200_001, headers=kind)
    streamed = client.post("/predict", content=parts(), headers=kind)
    for found in (declared, streamed):
        assert (found.status_code, found.json()["error"]["rule"]) == (413, "be at most 200000 bytes")


def test_other_kind_method_or_path_is_refused_in_the_same_form(client: Caller) -> None:
    text = client.post("/predict", content=b"{}", headers={"content-type": "text/plain"})
    got, nowhere = client.get("/predict"), client.get("/nowhere")
    found = [(one.status_code, one.json()["error"]["field"]) for one in (text, got, nowhere)]
    assert found == [(415, "content-type"), (405, "method"), (404, "path")]
    assert got.headers["allow"] == "POST"


def test_token_is_asked_for_where_there_is_one_and_health_needs_none(session: PolicySession) -> None:
    with Caller(application([session], TERMS, "t0ken")) as client:
        codes = {
            name: client.get("/policies", headers=headers).status_code
            for name, headers in (
                ("none", {}),
                ("another", {"authorization": "Bearer t0kem"}),
                ("not ascii", {"authorization": b"Bearer \xff"}),
                ("right", {"authorization": "Bearer t0ken"}),
            )
        }
        assert codes == {"none": 401, "another": 401, "not ascii": 401, "right": 200}
        assert client.post("/predict", content=b"{").json()["error"]["field"] == "authorization"
        assert client.get("/health").status_code == 200


class Broken:
    """A session that raises."""

    def __init__(self, session: PolicySession) -> None:
        self.name, self.contract = session.name, session.contract

    def __call__(self, inputs: dict[str, np.ndarray]) -> Inference:
        raise ZeroDivisionError("a matter of its own")


class Slow:
    """A session that takes its time."""

    def __init__(self, session: PolicySession, secs: float) -> None:
        self.name, self.contract, self._session, self._secs = session.name, session.contract, session, secs

    def __call__(self, inputs: dict[str, np.ndarray]) -> Inference:
        time.sleep(self._secs)
        return self._session(inputs)


def test_request_behind_a_full_queue_is_refused_and_the_others_are_answered(
    session: PolicySession, golden: dict[str, np.ndarray]
) -> None:
    async def asked() -> list[Any]:
        batcher = Batcher(Slow(session, 0.05), waiting=2, shares=False)  # type: ignore[arg-type]
        running = asyncio.ensure_future(batcher.run())
        first = asyncio.ensure_future(batcher.ask(taken(golden, 0)))
        await asyncio.sleep(0.01)
        others = [asyncio.ensure_future(batcher.ask(taken(golden, row))) for row in (1, 2, 3)]
        found = await asyncio.gather(first, *others, return_exceptions=True)
        running.cancel()
        return found

    found = asyncio.run(asked())
    assert [isinstance(one, Inference) for one in found] == [True, True, True, False]
    assert (found[3].code, found[3].rule, found[3].value) == (503, "wait behind fewer than 2", "2")


def test_answer_that_takes_too_long_is_given_up_and_the_next_one_comes(
    session: PolicySession, golden: dict[str, np.ndarray]
) -> None:
    app = application([session], msgspec.structs.replace(TERMS, answer_secs=0.1))
    batcher = app.state.service.batchers[0]
    with Caller(app) as client:
        batcher.session = Slow(session, 0.3)
        late = client.post("/predict", json=body(taken(golden, 0)))
        assert (late.status_code, late.json()["error"]["rule"]) == (504, "be answered within 0.1 s")
        batcher.session = session
        time.sleep(0.3)
        assert client.post("/predict", json=body(taken(golden, 0))).status_code == 200


def test_service_that_stops_refuses_what_waits_and_what_comes(
    session: PolicySession, golden: dict[str, np.ndarray]
) -> None:
    async def asked() -> list[Any]:
        batcher = Batcher(Slow(session, 0.1), shares=False)  # type: ignore[arg-type]
        running = asyncio.ensure_future(batcher.run())
        waiting = [asyncio.ensure_future(batcher.ask(taken(golden, row))) for row in (0, 1)]
        await asyncio.sleep(0.02)
        running.cancel()
        batcher.close()
        return await asyncio.gather(*waiting, batcher.ask(taken(golden, 2)), return_exceptions=True)

    assert [(one.code, one.value) for one in asyncio.run(asked())] == [(503, "stopping")] * 3


def test_graph_that_breaks_is_an_error_of_the_one_form_and_the_service_goes_on(
    session: PolicySession, golden: dict[str, np.ndarray]
) -> None:
    app = application([session], TERMS)
    batcher = app.state.service.batchers[0]
    with Caller(app) as client:
        batcher.session = Broken(session)
        broken = client.post("/predict", json=body(taken(golden, 0)))
        assert (broken.status_code, broken.json()["error"]["field"]) == (500, "service")
        assert "a matter of its own" not in broken.text
        batcher.session = session
        assert client.post("/predict", json=body(taken(golden, 0))).status_code == 200


def test_policies_health_and_metrics_tell_what_is_served(client: Caller, session: PolicySession) -> None:
    (policy,) = client.get("/policies").json()["policies"]
    assert (policy["policy"], policy["contract_digest"]) == ("trend@2", session.manifest.contract_digest)
    assert [one["name"] for one in policy["contract"]["inputs"]] == ["bars", "position", "portfolio"]
    assert client.get("/health").json() == {"healthy": True, "policies": ["trend@2"], "waiting": {"trend@2": 0}}
    text = client.get("/metrics").text
    assert 'huracan_service_requests_total{code="200",path="/predict"}' in text
    assert 'huracan_service_rows_total{policy="trend@2"}' in text
    assert client.get("/openapi.json").json()["paths"]["/predict"]["post"]["requestBody"]["required"] is True


def test_policy_must_be_named_where_there_are_several(session: PolicySession, golden: dict[str, np.ndarray]) -> None:
    other = PolicySession(ROOT / "models" / "released" / "trend-minute" / "1")
    with Caller(application([session, other], TERMS)) as client:
        found = client.post("/predict", json=body(taken(golden, 0)))
        assert (found.status_code, found.json()["error"]["field"]) == (422, "policy")
        named = client.post("/predict", json=body(taken(golden, 0), policy="trend-minute@1")).json()
        assert equal(named, other(taken(golden, 0)))
