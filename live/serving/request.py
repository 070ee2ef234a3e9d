"""The body of `POST /predict` held to the policy's contract: names, shapes, finite numbers, positive prices, mask.

A row is an instrument, as in a turn of the strategy. A row whose mask is false is not asked, as an instrument whose bar did not come: what
its inputs hold does not matter as long as they have their shape.
"""

import functools
from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.observation import Contract, TensorSpec
from live.serving.refusal import Refused

Inputs = dict[str, NDArray[np.float32]]


class Question(NamedTuple):
    """What the graph is asked.

    Attributes
    ----------
    inputs
        Name to float32 (asked, *shape).
    asked
        Rows of the request that are asked, ascending.
    rows
        Rows of the request.
    """

    inputs: Inputs
    asked: tuple[int, ...]
    rows: int


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    inputs: dict[str, msgspec.Raw]
    policy: str | None = None
    mask: list[bool] | None = None


def read_body(body: bytes) -> _Body:
    """Read the outer form of a request.

    Raises
    ------
    Refused
        400: no JSON; 422: JSON of another form.
    """
    try:
        return msgspec.json.decode(body, type=_Body)
    except msgspec.ValidationError as error:
        raise _mapped(error, "") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, "body", "be JSON", str(error)) from error


def question(body: _Body, contract: Contract, most_rows: int) -> Question:
    """Hold a request to a contract.

    Raises
    ------
    Refused
        422: the first name, shape or value that is not what it must be.
    """
    wanted = {spec.name for spec in contract.inputs}
    for name in body.inputs:
        if name not in wanted:
            raise Refused(422, f"inputs.{name}", f"be one of {', '.join(sorted(wanted))}", name)
    tensors: dict[str, NDArray[np.float64]] = {}
    rows = None
    for spec in contract.inputs:
        if spec.name not in body.inputs:
            raise Refused(422, f"inputs.{spec.name}", "be given", "absent")
        tensors[spec.name] = tensor = _tensor(spec, body.inputs[spec.name], most_rows)
        if rows is not None and len(tensor) != rows:
            first = contract.inputs[0].name
            raise Refused(422, f"inputs.{spec.name}", f"have {rows} rows, as {first} has", len(tensor))
        rows = len(tensor)
    assert rows is not None
    mask = body.mask if body.mask is not None else [True] * rows
    if len(mask) != rows:
        raise Refused(422, "mask", f"have {rows} values, one per row", len(mask))
    asked = tuple(index for index, there in enumerate(mask) if there)
    if not asked:
        raise Refused(422, "mask", "leave a row to ask", f"{rows} times false")
    inputs = {spec.name: _checked(spec, tensors[spec.name], asked) for spec in contract.inputs}
    return Question(inputs, asked, rows)


@functools.cache
def _decoder(dimensions: int) -> msgspec.json.Decoder[Any]:
    kind: Any = float
    for _ in range(dimensions):
        kind = list[kind]
    return msgspec.json.Decoder(kind)


def _tensor(spec: TensorSpec, raw: msgspec.Raw, most_rows: int) -> NDArray[np.float64]:
    field = f"inputs.{spec.name}"
    try:
        values = _decoder(len(spec.shape) + 1).decode(raw)
    except msgspec.ValidationError as error:
        raise _mapped(error, field) from error
    except msgspec.DecodeError as error:
        raise Refused(400, field, "be JSON", str(error)) from error
    if not 1 <= len(values) <= most_rows:
        raise Refused(422, field, f"have 1 to {most_rows} rows", len(values))
    _check_shape(values, (len(values), *spec.shape), field)
    flat: Iterable[Any] = values
    for _ in spec.shape:
        flat = chain.from_iterable(flat)
    return np.fromiter(flat, np.float64).reshape(len(values), *spec.shape)


def _check_shape(values: list[Any], shape: tuple[int, ...], field: str) -> None:
    if len(values) != shape[0]:
        raise Refused(422, field, f"have length {shape[0]}", len(values))
    if len(shape) == 2:
        if any(len(one) != shape[1] for one in values):
            index = next(index for index, one in enumerate(values) if len(one) != shape[1])
            raise Refused(422, f"{field}[{index}]", f"have length {shape[1]}", len(values[index]))
    elif len(shape) > 2:
        for index, one in enumerate(values):
            _check_shape(one, shape[1:], f"{field}[{index}]")


def _checked(spec: TensorSpec, values: NDArray[np.float64], asked: tuple[int, ...]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        tensor = values.astype(np.float32)
    chosen = tensor[list(asked)] if len(asked) < len(tensor) else tensor
    good = np.isfinite(chosen)
    if not good.all():
        raise _bad(spec, values, asked, good, "be finite as float32")
    if spec.name == "bars":
        quote = np.array([unit == "quote" for unit in spec.units])
        good = np.where(quote, chosen > 0.0, chosen >= 0.0)
        if not good.all():
            raise _bad(spec, values, asked, good, "be a positive price or a volume that is not negative")
    return chosen


def _bad(
    spec: TensorSpec, values: NDArray[np.float64], asked: tuple[int, ...], good: NDArray[np.bool_], rule: str
) -> Refused:
    first = tuple(int(index[0]) for index in np.nonzero(~good))
    place = (asked[first[0]], *first[1:])
    path = "".join(f"[{index}]" for index in place)
    name = spec.columns[place[-1]] if place[-1] < len(spec.columns) else ""
    return Refused(422, f"inputs.{spec.name}{path}", f"{rule} ({name})" if name else rule, float(values[place]))


def _mapped(error: msgspec.ValidationError, field: str) -> Refused:
    text, _, path = str(error).partition(" - at `$")
    where = (field + path.rstrip("`")).lstrip(".") or "body"
    return Refused(422, where, "be of its type", text)
