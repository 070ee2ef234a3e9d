"""What a policy is shown: named tensors with shapes, units and the time at which they are known, and their digest."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from engine.contract.action import ActionSpec
from engine.contract.signals import context_columns

BAR_COLUMNS = ("open", "high", "low", "close", "volume")
POSITION_COLUMNS = ("entry_price", "size", "unrealised_pnl", "holding_time", "side")
PORTFOLIO_COLUMNS = ("equity", "exposure", "sharpe", "sortino", "realised_pnl", "drawdown", "cash", "turnover")
OUTPUTS = ("action", "logits", "value", "confidence")


class TensorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One float32 input of the graph; the batch dimension, one row per instrument, comes before `shape`."""

    name: str
    shape: tuple[int, ...]
    columns: tuple[str, ...]
    units: tuple[str, ...]
    known_at: str


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Observation, action and outputs of a policy: what its digest covers.

    Attributes
    ----------
    bar
        Bar specification, `1-HOUR`.
    window
        Bars in the `bars` tensor, oldest first.
    inputs
        Tensors in the order in which the graph takes them.
    action
        How an answer becomes a target exposure.
    outputs
        Names of the graph's outputs.
    signals
        Signals that it was trained with, because it sees them or because they bounded what it held: name to settings. They must be the same
        wherever the policy trades.
    """

    bar: str
    window: int
    inputs: tuple[TensorSpec, ...]
    action: ActionSpec
    outputs: tuple[str, ...] = OUTPUTS
    signals: dict[str, dict[str, Any]] = {}

    def canonical(self) -> bytes:
        """Canonical JSON: fields in a fixed order, no spaces; without `signals` where there are none."""
        document = msgspec.to_builtins(self, order="deterministic")
        if not self.signals:
            del document["signals"]
        return msgspec.json.encode(document)

    @property
    def context_signals(self) -> tuple[str, ...]:
        """Signals in the order of the context's columns."""
        columns = [column for spec in self.inputs if spec.name == "context" for column in spec.columns]
        return tuple(dict.fromkeys(column.partition(".")[0] for column in columns))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()


def contract(
    bar: str,
    window: int,
    action: ActionSpec,
    seen: Sequence[str] = (),
    signals: Mapping[str, dict[str, Any]] | None = None,
) -> Contract:
    """Compose the contract of raw bars, position, portfolio and, where signals are seen, context.

    Parameters
    ----------
    bar
        Bar specification, `1-HOUR`.
    window
        Number of bars in the window: what the feature recipe looks back over.
    action
        The action space.
    seen
        Signals that make the context, in its order.
    signals
        Settings by name, of those that are seen and of those that bound.
    """
    bars = TensorSpec(
        "bars",
        (window, len(BAR_COLUMNS)),
        BAR_COLUMNS,
        ("quote", "quote", "quote", "quote", "base"),
        "close of the last bar",
    )
    position = TensorSpec(
        "position",
        (len(POSITION_COLUMNS),),
        POSITION_COLUMNS,
        ("log of entry over close", "of the budget", "of equity", "log1p of bars, over 5", "sign"),
        "the decision",
    )
    portfolio = TensorSpec(
        "portfolio",
        (len(PORTFOLIO_COLUMNS),),
        PORTFOLIO_COLUMNS,
        (
            "log of equity over start",
            "gross notional over equity",
            "per decision, exponentially weighted",
            "per decision, exponentially weighted",
            "of starting equity",
            "fraction of the peak",
            "of equity",
            "of equity per decision, exponentially weighted",
        ),
        "the decision",
    )
    inputs = [bars, position, portfolio]
    if seen:
        columns, units = context_columns(seen)
        inputs.append(TensorSpec("context", (len(columns),), columns, units, "the turn, before the decision"))
    return Contract(bar, window, tuple(inputs), action, signals=dict(signals or {}))
