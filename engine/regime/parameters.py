"""What a regime filter is fitted with: plain numbers that go to JSON and back."""

from dataclasses import asdict, dataclass
from typing import Any

from engine.contract.errors import DataError, broken

VOLATILITY_STATES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeParameters:
    """Parameters of one instrument's filter, per bar of the length they were fitted on.

    Attributes
    ----------
    volatility_scale : tuple of 3 floats
        Student-t scales of log returns in the states low, high and extreme; ascending.
    volatility_transition : tuple of 3 tuples of 3 floats
        Between those states, rows of sum 1.
    drift : float
        Drift of a trend, in volatilities a bar.
    pull : float
        In a range: share of the distance to the slow mean that is expected back within a bar.
    trend_bars : float
        Mean duration of a trend or a range, bars.
    typical_volatility : float
        Median of the volatility while fitting, log return a bar: the unit of the crisis rule.
    freedom : float
        Degrees of freedom of the emissions.
    volatility_half_life, mean_half_life : float
        Of the volatility that standardises returns, and of the slow mean of the log price; bars.
    channel_bars : int
        Bars of the channel that a breakout leaves.
    reversal_sd : float
        Move against the last extreme that makes a reversal, in volatilities of `reversal_bars` bars.
    reversal_bars : int
        See `reversal_sd`.
    crisis_bars : int
        Bars over which the fall from the highest close is measured.
    crisis_sd : float
        Fall that makes a crisis, in typical volatilities of `crisis_bars` bars.
    crisis_volatility : float
        Volatility that makes a crisis together with that fall, in typical volatilities.
    crisis_half_life : float
        Of the volatility that the crisis rule looks at, bars.
    event_bars : int
        Bars over which a breakout or a reversal fades.
    switch_odds : float
        The label changes when another regime is so many times as probable as the present one: hysteresis; 1 is none.
    """

    volatility_scale: tuple[float, float, float]
    volatility_transition: tuple[tuple[float, float, float], ...]
    drift: float
    pull: float
    trend_bars: float
    typical_volatility: float
    freedom: float = 5.0
    volatility_half_life: float = 48.0
    mean_half_life: float = 24.0
    channel_bars: int = 48
    reversal_sd: float = 1.5
    reversal_bars: int = 24
    crisis_bars: int = 72
    crisis_sd: float = 1.0
    crisis_volatility: float = 3.0
    crisis_half_life: float = 12.0
    event_bars: int = 12
    switch_odds: float = 2.0

    def __post_init__(self) -> None:
        if not 0.0 < self.volatility_scale[0] <= self.volatility_scale[1] <= self.volatility_scale[2]:
            raise DataError(broken("volatility_scale", "be positive and ascend", self.volatility_scale, "regime"))
        if any(abs(sum(row) - 1.0) > 1e-6 for row in self.volatility_transition):
            raise DataError(broken("volatility_transition", "have rows of sum 1", self.volatility_transition, "regime"))
        if not self.trend_bars > 1.0:
            raise DataError(broken("trend_bars", "be more than 1", self.trend_bars, "regime"))
        if not self.typical_volatility > 0.0:
            raise DataError(broken("typical_volatility", "be more than 0", self.typical_volatility, "regime"))
        if not self.switch_odds >= 1.0:
            raise DataError(broken("switch_odds", "be 1 or more", self.switch_odds, "regime"))

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters by name, as JSON takes them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RegimeParameters":
        """Take parameters from what `to_dict` gave, lists for tuples.

        Raises
        ------
        DataError
            A name is unknown or missing.
        """
        rows = tuple(tuple(row) for row in values.get("volatility_transition", ()))
        given = values | {"volatility_scale": tuple(values.get("volatility_scale", ())), "volatility_transition": rows}
        try:
            return cls(**given)
        except TypeError as fault:
            raise DataError(broken("regime parameters", "have the names of RegimeParameters", fault)) from fault
