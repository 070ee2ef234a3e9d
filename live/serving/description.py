"""What a policy takes and gives, as `/policies` lists it and as JSON schema."""

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.contract.observation import TensorSpec
from engine.policy.session import PolicySession
from live.serving.terms import ServiceTerms


def describe(session: PolicySession, shares: bool) -> dict[str, Any]:
    """Return a policy's name, digest and contract, and whether its requests share calls."""
    manifest = session.manifest
    return {
        "policy": session.name,
        "digest": manifest.digest,
        "contract_digest": manifest.contract_digest,
        "contract": msgspec.to_builtins(session.contract),
        "shares_calls": shares,
    }


def _array(item: dict[str, Any], least: int, most: int) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": least, "maxItems": most}


def _tensor(spec: TensorSpec, most_rows: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "number"}
    for length in reversed(spec.shape):
        schema = _array(schema, length, length)
    return _array(schema, 1, most_rows)


def predict_schema(sessions: Sequence[PolicySession], terms: ServiceTerms) -> dict[str, Any]:
    """Return what the OpenAPI document says of `POST /predict`: one form of body per policy."""
    bodies = []
    for session in sessions:
        inputs = {spec.name: _tensor(spec, terms.most_rows) for spec in session.contract.inputs}
        body: dict[str, Any] = {
            "type": "object",
            "required": ["inputs"] if len(sessions) == 1 else ["inputs", "policy"],
            "properties": {
                "policy": {"type": "string", "enum": [session.name]},
                "inputs": {
                    "type": "object",
                    "required": list(inputs),
                    "properties": inputs,
                    "additionalProperties": False,
                },
                "mask": _array({"type": "boolean"}, 1, terms.most_rows),
            },
            "additionalProperties": False,
        }
        bodies.append(body)
    rows = {"type": "array", "items": {}}
    answered = {
        "type": "object",
        "required": ["policy", "digest", "action", "logits", "value", "confidence"],
        "properties": {
            "policy": {"type": "string"},
            "digest": {"type": "string"},
            **dict.fromkeys(("action", "logits", "value", "confidence"), rows),
        },
    }
    schema = bodies[0] if len(bodies) == 1 else {"oneOf": bodies}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "answered", "content": {"application/json": {"schema": answered}}}},
    }
