"""Print the tables of docs/explanation/regimes.md: `python scripts/compare_regimes.py [FOLDER OF REAL BARS]`."""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from catalogs.synthesis import synthesise
from engine.regime.comparison import Bars, coming_turbulence, compare_kinds, compare_turbulence
from engine.regime.kinds import Regime
from engine.regime.scoring import Score

SEEDS = range(11, 19)
BARS = 40_000
SYNTHETIC = {
    Regime.TRENDING_BULL: 0,
    Regime.TRENDING_BEAR: 1,
    Regime.LOW_VOLATILITY_RANGE: 2,
    Regime.HIGH_VOLATILITY_RANGE: 3,
    Regime.CRISIS: 4,
}
REAL = ("BTCUSDT", "ETHUSDT", "LTCUSDT", "ADAUSDT", "XRPUSDT", "LINKUSDT", "DOGEUSDT", "SOLUSDT")


def table(title: str, scores: list[dict[str, Score]]) -> str:
    """Mean and standard error over markets of each figure, one row for a method."""
    lines = [f"| {title} | balanced accuracy | switches per 1,000 | delay, bars | missed |", "|---|---|---|---|---|"]
    for name in scores[0]:
        values = np.array([market[name] for market in scores])
        mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
        lines.append(
            f"| {name} | {mean[0]:.3f} ± {error[0]:.3f} | {mean[1]:.1f} ± {error[1]:.1f} "
            f"| {mean[2]:.0f} ± {error[2]:.0f} | {100 * mean[3]:.0f} % |"
        )
    return "\n".join(lines)


def main() -> None:
    """Synthetic markets of several seeds, then the real instruments where their folder is given."""
    kinds, turbulence = [], []
    for seed in SEEDS:
        market = synthesise("regimes", BARS, seed)[0]
        bars = Bars(market.candles.high, market.candles.low, market.candles.close)
        truth = market.truth["regime"].astype(np.int64)
        kinds.append(compare_kinds(bars, truth, SYNTHETIC))
        turbulence.append(compare_turbulence(bars, (truth >= 3).astype(np.int64)))
    print(table("synthetic, five kinds", kinds), table("synthetic, calm or turbulent", turbulence), sep="\n\n")
    if len(sys.argv) > 1:
        real = []
        for symbol in REAL:
            rows = pq.read_table(Path(sys.argv[1]) / f"BINANCE.{symbol}.1h.parquet", columns=["high", "low", "close"])
            bars = Bars(*(rows[name].to_numpy() for name in ("high", "low", "close")))
            real.append(compare_turbulence(bars, coming_turbulence(bars.close, len(bars.close) // 2)))
        print("", table("real, coming 24 bars calm or turbulent", real), sep="\n")


if __name__ == "__main__":
    main()
