"""Typed parameters of a strategy: the keys beside `strategy.name`, unknown ones refused."""

from typing import Any

import msgspec

from engine.contract.errors import ConfigError


def checked[Parameters: msgspec.Struct](kind: type[Parameters], values: dict[str, Any], strategy: str) -> Parameters:
    """Convert the keys of [strategy] to the strategy's own struct.

    Raises
    ------
    ConfigError
        A key is unknown, or a value breaks its type or range.
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        known = ", ".join(kind.__struct_fields__) or "none"
        raise ConfigError(f"strategy: {error} (strategy {strategy}); its keys are: {known}") from error
