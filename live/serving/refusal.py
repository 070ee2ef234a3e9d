"""What the service answers instead of an answer: one form for every refusal."""

from typing import Any

import msgspec
from starlette.responses import Response

VALUE_CHARACTERS = 80
"""A value that a caller sent is repeated up to here."""


class Refused(Exception):
    """A request that is not answered.

    Attributes
    ----------
    code
        HTTP status.
    field
        What it is about: a path into the body (`inputs.bars[0][95][3]`), a header, or the request.
    rule, value
        What it must be, and what it was.
    remedy
        What the caller can do; "" where the rule says it.
    """

    def __init__(self, code: int, field: str, rule: str, value: object, remedy: str = "") -> None:
        self.code, self.field, self.rule, self.remedy = code, field, rule, remedy
        text = value if isinstance(value, str) else repr(value)
        self.value = text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}..."
        super().__init__(f"{field} must {rule}, was {self.value}" + (f"; {remedy}" if remedy else ""))


def answer(code: int, document: Any, headers: dict[str, str] | None = None) -> Response:
    """Return a document as a JSON response."""
    return Response(msgspec.json.encode(document), code, headers, "application/json")


def refusal(refused: Refused) -> Response:
    """Return a refusal as a response."""
    document = {"field": refused.field, "rule": refused.rule, "value": refused.value, "message": str(refused)}
    headers = {"Retry-After": "1"} if refused.code == 503 else {}
    if refused.code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return answer(refused.code, {"error": document}, headers)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["field", "rule", "value", "message"],
            "properties": {name: {"type": "string"} for name in ("field", "rule", "value", "message")},
        }
    },
}
"""JSON schema of a refusal."""
