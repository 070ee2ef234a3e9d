"""Features of bars as pure window functions: one definition for the training tape and for the graph that trades.

`Features(recipe)` maps bars [..., T, 5] to features [..., T - lookback + 1, F]; row i is a function of bars i .. i + lookback - 1 and of
nothing else, so no number depends on how long a process has been running. All is computed in float64 from float32 prices and rounded to
float32 at the end, which keeps torch and onnxruntime together to the last digit of almost every value. Everything is free of the scale
of prices and of volumes; a flat bar, or one without volume, gives a finite number.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

Recipe = Literal["base", "higher_order"]

STEPS = 24
"""Feature rows that a policy sees."""

SPAN = 72
"""Returns in the window of one feature row."""

LIMIT = 10.0
"""Features are clipped to this size; products of two or three of them are bounded by its powers."""

CHUNK = 4_096
"""Rows computed at a time on a long tape; it bounds memory and changes no number."""

FLOOR = 2.0**-20
"""Smallest volatility that anything is divided by: a hundredth of a basis point a bar."""

NOTHING = 2.0**-120
"""Smallest whole that a part is divided by: far below every sum that is not 0, and still a float32, as which exporters keep constants."""

QUIET = 2.0**-6
"""Added to relative volumes before their logarithm. Constants in the graph are powers of two because an exporter may round them."""

BASE: dict[str, str] = {
    "return_1": "r(1), where r(n) = log(c[t] / c[t-n]) / (volatility_72 * sqrt(n))",
    "return_3": "r(3)",
    "return_6": "r(6)",
    "return_12": "r(12)",
    "return_24": "r(24)",
    "return_48": "r(48)",
    "return_72": "r(72)",
    "volatility_24": "root mean square of 24 log returns",
    "volatility_72": "root mean square of 72 log returns",
    "volatility_ratio_6_72": "log(volatility_6 / volatility_72)",
    "ema_gap_12": "(log c - EMA of log c, span 12, 72 bars back) / volatility_72",
    "ema_gap_36": "the same, span 36",
    "macd": "(EMA of span 12 - EMA of span 26, of log c) / volatility_72",
    "rsi_14": "sum of 14 log returns / sum of their sizes, in [-1, 1]",
    "stochastic_24": "place of c between lowest low and highest high of 24 bars, in [-1, 1]",
    "drawdown_72": "log(c / highest close of 73 bars) / (8 volatility_72)",
    "range_1": "log(h / l) / volatility_72",
    "range_24": "mean of log(h / l) over 24 bars / volatility_72",
    "close_location": "place of c between l and h, in [-1, 1]",
    "autocorrelation_24": "sum of x[t] x[t-1] / sum of x[t]^2 over 24 log returns x",
    "skewness_72": "mean cube of 72 log returns / volatility_72^3",
    "volume_1": "log(v / mean volume of 72 bars + 1/64)",
    "volume_flow_24": "sum of volume signed by the return / sum of volume, 24 bars, in [-1, 1]",
}
"""The 23 features of the `base` recipe: name to formula. c, h, l, o, v are close, high, low, open, volume of the bar."""

WIDER: dict[str, str] = {
    **{f"return_{n}": f"r({n})" for n in (2, 9, 18, 36, 60)},
    **{f"volatility_{n}": f"root mean square of {n} log returns" for n in (3, 6, 12, 48)},
    **{f"downside_{n}": f"root mean square of {n} log returns, gains as 0 / volatility_72" for n in (24, 72)},
    **{f"upside_{n}": f"root mean square of {n} log returns, losses as 0 / volatility_72" for n in (24, 72)},
    "kurtosis_72": "log(1 + mean fourth power of 72 log returns / volatility_72^4)",
    "skewness_24": "mean cube of 24 log returns / volatility_72^3",
    "autocorrelation_72": "sum of x[t] x[t-1] / sum of x[t]^2 over 72 log returns x",
    "autocorrelation_lag2_72": "sum of x[t] x[t-2] / sum of x[t]^2 over 72 log returns x",
    **{f"rsi_{n}": f"sum of {n} log returns / sum of their sizes" for n in (6, 28, 56)},
    **{f"stochastic_{n}": f"place of c between lowest low and highest high of {n} bars" for n in (12, 48, 72)},
    "drawdown_24": "log(c / highest close of 25 bars) / (4 volatility_72)",
    "rebound_24": "log(c / lowest close of 25 bars) / (4 volatility_72)",
    "rebound_72": "log(c / lowest close of 73 bars) / (8 volatility_72)",
    **{f"ema_gap_{n}": f"(log c - EMA of log c, span {n}) / volatility_72" for n in (3, 6, 24)},
    **{
        f"slope_{n}": f"least-squares slope of log c over {n} bars * sqrt({n}) / volatility_72"
        for n in (12, 24, 48, 72)
    },
    **{f"range_{n}": f"mean of log(h / l) over {n} bars / volatility_72" for n in (6, 72)},
    "range_efficiency_24": "log(mean of log(h / l) over 24 bars / volatility_24)",
    "body_1": "log(c / o) / volatility_72",
    "upper_shadow_1": "log(h / max(o, c)) / volatility_72",
    "lower_shadow_1": "log(min(o, c) / l) / volatility_72",
    "gap_1": "log(o / c[t-1]) / volatility_72",
    **{f"volume_{n}": f"log(mean volume of {n} bars / that of 72 + 1/64)" for n in (6, 24)},
    **{f"volume_flow_{n}": f"sum of volume signed by the return / sum of volume, {n} bars" for n in (6, 72)},
    "volume_move_24": "sum of v |x| / (sum of v * mean |x|) - 1 over 24 bars and log returns x",
}
"""What `higher_order` adds to the 23 before it derives: 45 more, 68 in all."""

LAGGED = ("return_1", "range_1", "volume_1", "close_location", "rsi_14")
LAGS = (1, 3, 6, 12)
PRODUCTS = (
    ("return_1", "volume_1"),
    ("return_3", "volume_6"),
    ("return_24", "volume_24"),
    ("return_1", "volatility_ratio_6_72"),
    ("return_6", "volatility_ratio_6_72"),
    ("return_24", "volatility_ratio_6_72"),
    ("return_72", "volatility_ratio_6_72"),
    ("return_1", "autocorrelation_24"),
    ("return_24", "autocorrelation_24"),
    ("return_72", "autocorrelation_72"),
    ("rsi_14", "volume_flow_24"),
    ("stochastic_24", "volatility_ratio_6_72"),
    ("macd", "autocorrelation_72"),
    ("slope_24", "skewness_24"),
    ("return_1", "close_location"),
    ("return_6", "return_24"),
    ("return_12", "return_48"),
    ("return_24", "return_72"),
    ("volume_1", "range_1"),
    ("drawdown_72", "return_24"),
)
RATIOS = (
    *((f"volatility_{a}", f"volatility_{b}") for a, b in ((3, 6), (3, 12), (3, 24), (6, 12), (6, 24), (6, 48))),
    *((f"volatility_{a}", f"volatility_{b}") for a, b in ((12, 24), (12, 48), (12, 72), (24, 48), (24, 72), (48, 72))),
    *((f"range_{a}", f"range_{b}") for a, b in ((1, 6), (1, 24), (6, 24), (6, 72), (24, 72))),
    ("downside_24", "upside_24"),
    ("downside_72", "upside_72"),
    ("range_24", "volatility_24"),
)
SQUARED = (*(f"return_{n}" for n in (1, 6, 24, 72)), "rsi_14", "macd", "ema_gap_36")
SQUARED = (*SQUARED, "autocorrelation_24", "skewness_72", "volume_1")
CUBED = (*(f"return_{n}" for n in (1, 6, 24, 72)), "rsi_14", "macd", "ema_gap_36")
CUBED = (*CUBED, "stochastic_24", "slope_72", "volume_flow_24")

DERIVED: dict[str, str] = {
    **{f"{name}_lag_{k}": f"{name} of {k} bars before" for name in LAGGED for k in LAGS},
    **{f"{a}*{b}": f"{a} times {b}" for a, b in PRODUCTS},
    **{f"{a}/{b}": f"log(({a} + 2^-20) / ({b} + 2^-20))" for a, b in RATIOS},
    **{f"{name}^2": f"square of {name}" for name in SQUARED},
    **{f"{name}^3": f"cube of {name}" for name in CUBED},
}
"""What `higher_order` derives from its 68: 20 lags, 20 interactions, 20 ratios, 20 polynomial terms."""

RECIPES: dict[Recipe, dict[str, str]] = {"base": BASE, "higher_order": {**BASE, **WIDER, **DERIVED}}


def names(recipe: Recipe) -> tuple[str, ...]:
    """Return the features of a recipe, in their order.

    >>> len(names("base")), len(names("higher_order"))
    (23, 148)
    """
    return tuple(RECIPES[recipe])


def lookback(recipe: Recipe) -> int:
    """Return how many bars one feature row is a function of.

    >>> lookback("base"), lookback("higher_order")
    (73, 85)
    """
    return SPAN + 1 + (max(LAGS) if recipe == "higher_order" else 0)


def window(recipe: Recipe) -> int:
    """Return how many bars `STEPS` feature rows are a function of: the window of the contract.

    >>> window("base"), window("higher_order")
    (96, 108)
    """
    return STEPS + lookback(recipe) - 1


class Features(nn.Module):
    """A recipe, as a module without parameters.

    Parameters
    ----------
    recipe
        `base` or `higher_order`.
    """

    boxes: Tensor
    linear: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.recipe: Recipe = recipe
        self.lookback = lookback(recipe)
        self.names = names(recipe)
        kernels = {f"return_{n}": _box(n) / n**0.5 for n in (1, 2, 3, 6, 9, 12, 18, 24, 36, 48, 60, 72)}
        kernels |= {f"ema_gap_{n}": _ema_gap(n) for n in (3, 6, 12, 24, 36)}
        kernels |= {f"slope_{n}": _slope(n) * n**0.5 for n in (12, 24, 48, 72)}
        kernels["macd"] = _ema_gap(26) - _ema_gap(12)
        self._linear = tuple(kernels)
        self.register_buffer("linear", torch.stack(list(kernels.values()), -1), persistent=False)
        self.register_buffer("boxes", torch.stack([_box(n) / n for n in range(1, SPAN + 1)], -1), persistent=False)

    def forward(self, bars: Tensor) -> Tensor:
        """Compute the features of a window or of a whole tape.

        Parameters
        ----------
        bars : float32 (..., T, 5)
            Open, high, low, close, volume, oldest first; prices positive.

        Returns
        -------
        float32 (..., T - lookback + 1, F). Row i is known at the close of bar i + lookback - 1.
        """
        rows = bars.shape[-2] - self.lookback + 1
        if rows <= CHUNK:
            return self._compute(bars)
        starts = range(0, rows, CHUNK)
        parts = [self._compute(bars[..., i : min(i + CHUNK, rows) + self.lookback - 1, :]) for i in starts]
        return torch.cat(parts, -2)

    def _compute(self, bars: Tensor) -> Tensor:
        columns = self._statistics(bars.double())
        if self.recipe == "base":
            return torch.cat([columns[name] for name in self.names], -1).clamp(-LIMIT, LIMIT).float()
        columns = _derive({name: value.clamp(-LIMIT, LIMIT) for name, value in columns.items()})
        return torch.cat([columns[name] for name in self.names], -1).float()

    def _statistics(self, bars: Tensor) -> dict[str, Tensor]:
        """Compute the 68 statistics, float64 (..., T - SPAN, 1) each; what a recipe leaves out, the exporter drops."""
        opens, highs, lows, closes, volume = bars.split(1, -1)
        moves = _frames(torch.log(closes[..., 1:, :] / closes[..., :-1, :]))
        sizes = moves.abs()
        volatilities = torch.sqrt(self._means(moves * moves, 3, 6, 12, 24, 48, 72))
        unit = volatilities[..., 5:].clamp(min=FLOOR)
        out = _named("volatility_{}", (3, 6, 12, 24, 48, 72), volatilities)
        out |= dict(zip(self._linear, (moves @ self.linear / unit).split(1, -1)))
        out["volatility_ratio_6_72"] = torch.log(out["volatility_6"].clamp(min=FLOOR) / unit)
        spans = (6, 14, 28, 56)
        out |= _named("rsi_{}", spans, _share(self._means(moves, *spans), self._means(sizes, *spans)))
        losses, gains = moves.clamp(max=0.0), moves.clamp(min=0.0)
        out |= _named("downside_{}", (24, 72), torch.sqrt(self._means(losses * losses, 24, 72)) / unit)
        out |= _named("upside_{}", (24, 72), torch.sqrt(self._means(gains * gains, 24, 72)) / unit)
        scaled = moves / unit
        cubes = scaled * scaled * scaled
        out |= _named("skewness_{}", (24, 72), self._means(cubes, 24, 72))
        out["kurtosis_72"] = torch.log1p(self._means(cubes * scaled, 72))
        for name, n, lag in (("24", 24, 1), ("72", 72, 1), ("lag2_72", 72, 2)):
            part = moves[..., SPAN - n :]
            products = (part[..., lag:] * part[..., :-lag]).sum(-1, keepdim=True)
            out[f"autocorrelation_{name}"] = _share(products, (part * part).sum(-1, keepdim=True))
        out |= self._places(opens, highs, lows, closes, unit)
        out |= self._spreads(torch.log(highs / lows), unit, volatilities[..., 3:4].clamp(min=FLOOR))
        return out | self._volumes(volume, moves, sizes)

    def _places(self, opens: Tensor, highs: Tensor, lows: Tensor, closes: Tensor, unit: Tensor) -> dict[str, Tensor]:
        out = {}
        tops, bottoms = _frames(highs[..., 1:, :]), _frames(lows[..., 1:, :])
        opening, high, low, close = (series[..., SPAN:, :] for series in (opens, highs, lows, closes))
        for n in (12, 24, 48, 72):
            top, bottom = tops[..., -n:].amax(-1, keepdim=True), bottoms[..., -n:].amin(-1, keepdim=True)
            out[f"stochastic_{n}"] = _place(close, bottom, top)
        path = _frames(closes, SPAN + 1)
        for n, scale in ((24, 4.0), (72, 8.0)):
            part = path[..., -n - 1 :]
            out[f"drawdown_{n}"] = torch.log(close / part.amax(-1, keepdim=True)) / (scale * unit)
            out[f"rebound_{n}"] = torch.log(close / part.amin(-1, keepdim=True)) / (scale * unit)
        out["close_location"] = _place(close, low, high)
        out["body_1"] = torch.log(close / opening) / unit
        out["upper_shadow_1"] = torch.log(high / torch.maximum(opening, close)) / unit
        out["lower_shadow_1"] = torch.log(torch.minimum(opening, close) / low) / unit
        out["gap_1"] = torch.log(opening / closes[..., SPAN - 1 : -1, :]) / unit
        return out

    def _spreads(self, spread: Tensor, unit: Tensor, own: Tensor) -> dict[str, Tensor]:
        means = self._means(_frames(spread[..., 1:, :]), 6, 24, 72)
        out = _named("range_{}", (6, 24, 72), means / unit)
        out["range_1"] = spread[..., SPAN:, :] / unit
        out["range_efficiency_24"] = torch.log(means[..., 1:2].clamp(min=FLOOR) / own)
        return out

    def _volumes(self, volume: Tensor, moves: Tensor, sizes: Tensor) -> dict[str, Tensor]:
        frames = _frames(volume[..., 1:, :])
        traded = self._means(frames, 6, 24, 72)
        usual, day = traded[..., 2:], traded[..., 1:2]
        out = _named("volume_{}", (6, 24), torch.log(_share(traded[..., :2], usual) + QUIET))
        out["volume_1"] = torch.log(_share(volume[..., SPAN:, :], usual) + QUIET)
        signed = self._means(frames * torch.sign(moves), 6, 24, 72)
        out |= _named("volume_flow_{}", (6, 24, 72), _share(signed, traded))
        even = day * self._means(sizes, 24)
        out["volume_move_24"] = torch.where(even > 0, _share(self._means(frames * sizes, 24), even) - 1.0, 0.0)
        return out

    def _means(self, frames: Tensor, *horizons: int) -> Tensor:
        return frames @ self.boxes[:, [n - 1 for n in horizons]]


def _derive(columns: dict[str, Tensor]) -> dict[str, Tensor]:
    reach = max(LAGS)
    out = {name: value[..., reach:, :] for name, value in columns.items()}
    rows = out["return_1"].shape[-2]
    for name in LAGGED:
        out |= {f"{name}_lag_{k}": columns[name][..., reach - k : reach - k + rows, :] for k in LAGS}
    out |= {f"{a}*{b}": out[a] * out[b] for a, b in PRODUCTS}
    out |= {f"{a}/{b}": torch.log((out[a] + FLOOR) / (out[b] + FLOOR)) for a, b in RATIOS}
    out |= {f"{name}^2": out[name] * out[name] for name in SQUARED}
    out |= {f"{name}^3": out[name] * out[name] * out[name] for name in CUBED}
    return out


def _frames(series: Tensor, length: int = SPAN) -> Tensor:
    """Every run of `length` values of a series (..., T, 1), as (..., T - length + 1, length)."""
    return series.squeeze(-1).unfold(-1, length, 1)


def _named(pattern: str, horizons: Sequence[int], block: Tensor) -> dict[str, Tensor]:
    return {pattern.format(n): column for n, column in zip(horizons, block.split(1, -1))}


def _share(part: Tensor, whole: Tensor) -> Tensor:
    """Divide a part by its whole; where the whole is nothing so is the part, and the share is 0."""
    return part / whole.clamp(min=NOTHING)


def _place(value: Tensor, bottom: Tensor, top: Tensor) -> Tensor:
    """Place of a value between two others, in [-1, 1]; 0 where they are one."""
    return _share((value - bottom) - (top - value), top - bottom)


def _box(n: int) -> Tensor:
    """Weights that sum the last n."""
    return (torch.arange(SPAN) >= SPAN - n).double()


def _from_lags(weights: Sequence[float]) -> Tensor:
    """Weights given by lag, lag 0 first, as they stand in a frame, oldest first."""
    return torch.tensor(list(weights)[::-1], dtype=torch.float64)


def _ema_gap(span: int) -> Tensor:
    """Weights of returns that give log c less its exponential mean, truncated after SPAN bars and normalised."""
    decay = 1.0 - 2.0 / (span + 1.0)
    powers = [decay**k for k in range(SPAN + 1)]
    total = sum(powers)
    return _from_lags([sum(powers[j + 1 :]) / total for j in range(SPAN)])


def _slope(n: int) -> Tensor:
    """Weights of returns that give the least-squares slope of log c over n bars, per bar."""
    centre = (n - 1) / 2.0
    square = sum((k - centre) ** 2 for k in range(n))
    slopes = [(k - centre) / square for k in range(n)]
    by_lag = [sum(slopes[n - 1 - j :]) for j in range(n - 1)]
    return _from_lags(by_lag + [0.0] * (SPAN - n + 1))
