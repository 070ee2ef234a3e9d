"""The sample catalog: two synthetic markets in this folder, so that everything runs from a fresh clone without a network."""

from pathlib import Path

from catalogs.generating import store_markets
from catalogs.manifest import Manifest
from catalogs.synthesis import synthesise

ROOT = Path(__file__).parent
MARKETS = (("trend", 1), ("null", 1))
BARS = 17_520
BAR = "1-HOUR"


def generate(root: Path) -> Manifest:
    """Write the sample catalog into a folder: two years of hours of `trend` and `null`, seed 1."""
    return store_markets(root, [one for market, seed in MARKETS for one in synthesise(market, BARS, seed, BAR)])
