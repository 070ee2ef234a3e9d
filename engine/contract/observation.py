"""What a policy is shown: named tensors with shapes, units and the time at which they are known, and their digest."""

import hashlib

import msgspec

from engine.contract.action import ActionSpec

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
    """

    bar: str
    window: int
    inputs: tuple[TensorSpec, ...]
    action: ActionSpec
    outputs: tuple[str, ...] = OUTPUTS

    def canonical(self) -> bytes:
        """Canonical JSON: fields in a fixed order, no spaces."""
        return msgspec.json.encode(self, order="deterministic")

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal."""
        return hashlib.sha256(self.canonical()).hexdigest()


def contract(bar: str, window: int, action: ActionSpec) -> Contract:
    """Compose the contract of raw bars, position and portfolio.

    Parameters
    ----------
    bar
        Bar specification, `1-HOUR`.
    window
        Number of bars in the window: what the feature recipe looks back over.
    action
        The action space.
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
    return Contract(bar, window, (bars, position, portfolio), action)
