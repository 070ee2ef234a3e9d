"""The limits that the breaker and the gate hold a run to: the [actors.breaker] section."""

from typing import Annotated, Any, Literal

import msgspec

from engine.contract.config import Limits
from engine.contract.errors import ConfigError, broken
from engine.risk.breaker_controls import BY_NAME, CONTROLS, DRIFT, Control

Positive = Annotated[float, msgspec.Meta(gt=0)]
Fraction = Annotated[float, msgspec.Meta(gt=0, le=1)]
Turns = Annotated[int, msgspec.Meta(ge=1)]


class BreakerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[actors.breaker]: limits by control name; None switches a control off.

    Attributes
    ----------
    drawdown, daily_loss, daily_trades
        Those of [limits] where these are None; see `resolved`.
    position
        Fraction of equity; 1.25 times limits.max_position_frac where None.
    max_order_quantity
        Instrument id to base units.
    correlation_half_life, correlation_observations
        Returns of bars after which one counts half in the correlations between instruments; those that each instrument held must have
        before they count as known.
    action, release, confirm
        Control name to what it shall be instead of the control table's; only controls that the breaker looks at.
    stages
        Fractions of the position at the trip that are closed at the turn of a halt, the next, and so on; rising, the last is 1.
    """

    enabled: bool = True
    drawdown: Fraction | None = None
    daily_loss: Fraction | None = None
    daily_trades: Positive | None = None
    loss_streak: Positive | None = 10.0
    position: Positive | None = None
    correlation: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = 0.7
    correlation_half_life: Positive = 240.0
    correlation_observations: Turns = 100
    entropy: Positive | None = 0.1
    stale_data: Positive | None = 3.0
    connectivity: Positive | None = 30.0
    spread: Positive | None = 50.0
    repeated_execution: Positive | None = 5.0
    heartbeat: Positive = 1.0
    orders_per_second: Positive | None = 100.0
    orders_per_minute: Positive | None = 1_000.0
    price_collar: Positive | None = 0.05
    confidence: Fraction | None = 0.6
    max_order_quantity: dict[str, Positive] = {}
    action: dict[str, Literal["reduce", "halt"]] = {}
    release: dict[str, Literal["recovery", "day", "person"]] = {}
    confirm: dict[str, Turns] = {}
    stages: tuple[float, ...] = (0.5, 0.75, 1.0)

    def __post_init__(self) -> None:
        for key in ("action", "release", "confirm"):
            for name in getattr(self, key):
                if name not in BY_NAME or BY_NAME[name].place != "breaker":
                    known = ", ".join(control.name for control in CONTROLS if control.place == "breaker")
                    raise ConfigError(broken(f"actors.breaker.{key}", f"name one of {known}", name))
        rising = (0.0, *self.stages)
        if not self.stages or self.stages[-1] != 1.0 or any(b <= a for a, b in zip(rising, self.stages)):
            raise ConfigError(broken("actors.breaker.stages", "rise from over 0 to 1", list(self.stages)))

    def resolved(self, limits: Limits) -> "BreakerSettings":
        """Fill what is None from [limits], and from the control table where [limits] says nothing either."""
        return msgspec.structs.replace(
            self,
            drawdown=self.drawdown or limits.max_drawdown_frac or BY_NAME["drawdown"].default,
            daily_loss=self.daily_loss or limits.daily_loss_frac or BY_NAME["daily_loss"].default,
            daily_trades=self.daily_trades or limits.daily_trades or BY_NAME["daily_trades"].default,
            position=self.position or DRIFT * limits.max_position_frac,
        )

    def limit(self, name: str) -> float | None:
        """Return the limit of a control that the breaker looks at; None where it is off."""
        if name == "equity":
            return 0.0
        value = getattr(self, name, None)
        return None if value is None else float(value)

    def control(self, name: str) -> Control:
        """Return the row of the control table with this configuration's action, release and confirmation."""
        row = BY_NAME[name]
        return row._replace(
            action=self.action.get(name, row.action),
            release=self.release.get(name, row.release),
            confirm=self.confirm.get(name, row.confirm),
        )


def parse(section: dict[str, Any]) -> BreakerSettings:
    """Check a section of plain values.

    Raises
    ------
    ConfigError
        A key is unknown, or a value breaks its type or range.
    """
    try:
        return msgspec.convert(section, BreakerSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"actors.breaker: {error}; docs/explanation/circuit-breakers.md lists every key") from error
