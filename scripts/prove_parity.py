"""Prove parity on a year of hours, a year with funding and a week of minutes: `python scripts/prove_parity.py --data FOLDER`.

FOLDER holds the market data files that are named below; their bars and rates are imported into `var/catalogs/parity`, once. Each
configuration is proven by `huracan verify parity`, its certificate is written beside the others, and a row of figures is printed.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from engine.cli import main as huracan

CATALOG = Path("var/catalogs/parity")
HOURS = ("ADA", "BTC", "DOGE", "ETH", "LINK", "LTC", "SOL", "XRP")
PERPETUALS = ("BTC", "ETH", "LTC")
MINUTES = ("BTC", "ETH")
CONFIGS = ("parity-coins", "parity-perpetuals", "parity-minutes")


def files() -> list[tuple[str, str, str | None]]:
    """Return file, instrument and bar (None: funding) of everything that the proofs need."""
    hours = [(f"BINANCE.{coin}USDT.1h.parquet", f"{coin}USDT.BINANCE", "1-HOUR") for coin in HOURS]
    minutes = [(f"BINANCE.{coin}USDT.1m.parquet", f"{coin}USDT.BINANCE", "1-MINUTE") for coin in MINUTES]
    perpetuals: list[tuple[str, str, str | None]] = []
    for coin in PERPETUALS:
        name = f"{coin}USDT-PERP"
        perpetuals.append((f"BINANCE.{name}.1h.parquet", f"{name}.BINANCE", "1-HOUR"))
        perpetuals.append((f"BINANCE.{name}.funding.parquet", f"{name}.BINANCE", None))
    return [*hours, *perpetuals, *minutes]


def make_catalog(data: Path) -> None:
    """Import what the proofs need; what is there already adds nothing."""
    for file, instrument, bar in files():
        length = [] if bar is None else ["--bar", bar]
        arguments = ["data", "import", str(data / file), "--instrument", instrument, *length, "--catalog", str(CATALOG)]
        if huracan([*arguments, "--json"]):
            raise SystemExit(f"{file} must be a file that imports, was not ({data})")


def prove(name: str) -> bool:
    """Run one proof, and print its figures; tell whether it passed."""
    command = [sys.executable, "-m", "engine.cli", "verify", "parity", f"configs/{name}.toml", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if not done.stdout:
        return False
    told = json.loads(done.stdout)
    keys = ("passed", "decisions", "differences", "decisions_sha256", "certificate", "certificate_sha256", "seconds")
    print(json.dumps({"config": name, **{key: told[key] for key in keys}, **told["figures"]}), flush=True)
    return bool(told["passed"])


def main() -> int:
    """Make the catalog and run the proofs; exit code 3 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, help="folder of the market data files; without it the catalog must be there"
    )
    parser.add_argument("configs", nargs="*", default=CONFIGS, help=f"those to prove, of {', '.join(CONFIGS)}")
    chosen = parser.parse_args()
    if chosen.data is not None:
        make_catalog(chosen.data)
    passed = [prove(name) for name in chosen.configs]
    return 0 if all(passed) else 3


if __name__ == "__main__":
    sys.exit(main())
