"""A copy of bars and funding in which everything after a time is another, plausible one: what came before must not notice."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from catalogs.arrays import Bars, Funding
from catalogs.columns import RATE_DECIMALS, SIZE_DECIMALS, Rows, encode
from catalogs.manifest import Source, locked
from catalogs.storage import Entry, commit

VOLATILITY = 0.02
"""Log-normal noise per bar that the altered prices carry."""

PRICES = ("open", "high", "low", "close")


def altered_bars(bars: Bars, after_ns: int, seed: int) -> Bars:
    """Replace prices and volumes of bars that close after `after_ns`; the rest is equal to the last bit.

    Parameters
    ----------
    after_ns
        UTC nanoseconds.
    seed
        Of the replacement.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    later = bars.ts_close > after_ns
    factor = np.exp(np.cumsum(generator.normal(0.0, VOLATILITY, int(later.sum()))))
    factor *= generator.choice([0.7, 1.4])
    columns = {}
    for name in (*PRICES, "volume"):
        values = getattr(bars, name).copy()
        decimals = bars.instrument.price_precision if name in PRICES else SIZE_DECIMALS
        values[later] = np.maximum(np.round(values[later] * factor, decimals), 10.0**-decimals)
        columns[name] = values
    return replace(bars, **columns)


def altered_funding(funding: Funding, after_ns: int) -> Funding:
    """Turn the sign of every rate applied after `after_ns`."""
    return replace(funding, rate=np.where(funding.ts > after_ns, -funding.rate, funding.rate))


def write_copy(root: Path, parts: list[tuple[Bars, Funding]]) -> None:
    """Write bars and funding into a new catalog at `root`."""
    entries = []
    for bars, funding in parts:
        spec, source = bars.instrument, [Source(file="copy", layout="copy")]
        columns = {name: encode(getattr(bars, name), spec.price_precision) for name in PRICES}
        columns["volume"] = encode(bars.volume, SIZE_DECIMALS)
        entries.append(Entry(spec, Rows("bars", bars.bar, bars.ts_open, columns), source, pinned=True))
        if len(funding.ts):
            rates = {"rate": encode(funding.rate, RATE_DECIMALS)}
            entries.append(Entry(spec, Rows("funding", None, funding.ts, rates), source, pinned=True))
    root.mkdir(parents=True, exist_ok=True)
    with locked(root):
        commit(root, entries)
