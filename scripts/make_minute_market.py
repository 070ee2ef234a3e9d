"""Write the market that the released policy for 1-MINUTE bars learned in: the planted trend of hours, played on a clock of minutes.

A drift scales with the length of a bar and noise with its root, so a minute's own trend would be one part in forty of its noise, below any
fee. Here each minute has the drift, the noise and the costs of an hour: a market to learn the machinery on, not one to expect.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np

from catalogs.generating import store_markets
from catalogs.synthesis import START_NS, SyntheticMarket, synthesise
from engine.contract.calendar import bar_ns

BAR = "1-MINUTE"
INSTRUMENT = "TRENDMINUTEUSDT.SIM"


def minutes_of(bars: int, seed: int) -> SyntheticMarket:
    """Return the trend market with a bar every minute.

    Parameters
    ----------
    bars, seed
        As `synthesise` takes them.
    """
    (hours,) = synthesise("trend", bars, seed)
    ts_open = START_NS + bar_ns(BAR) * np.arange(bars, dtype=np.int64)
    return dataclasses.replace(hours, bar=BAR, ts_open=ts_open, parameters={**hours.parameters, "bar": BAR})


def main() -> None:
    """Write the market into a catalog."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--catalog", type=Path, default=Path("var/trend-minute"))
    parser.add_argument("--bars", type=int, default=17_280)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    store_markets(given.catalog, [minutes_of(given.bars, given.seed)], [INSTRUMENT])


if __name__ == "__main__":
    main()
