"""`huracan new NAME`: a folder with a configuration to start from."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from engine.console import emit, out
from engine.contract.config import Name
from engine.contract.errors import UsageError, broken
from strategies.commands.options import Json, application

app = application("Start something.")

TEMPLATE = """\
# {name}: every key, with its meaning: huracan config schema; to try a value once: --set section.key=value

[run]
name = "{name}"
seed = 7

[data]
catalog = "var/catalogs/main"       # huracan data import FILE --instrument BTCUSDT.BINANCE --bar 1-HOUR
start = 2022-01-01                  # UTC; start inclusive, end exclusive
end = 2023-01-01

[universe]
instruments = ["BTCUSDT.BINANCE"]
bar = "1-HOUR"

[venue]
account = "margin"
balance = "100000 USDT"
leverage = 3.0
maker_bps = 2.0
taker_bps = 5.0
half_spread_bps = 1.0
fill = "next_open"

[strategy]
name = "trend"                      # or: policy, buy_and_hold, volatility_target, cash, random, package.module:Class

# [policy]                          # for strategy "policy", after huracan train
# path = "{name}@1"

[limits]
max_position_frac = 1.0             # budget of an instrument, fraction of equity

[training]                          # huracan train: learns on this span, chooses on its last part, never sees [data]
start = 2019-01-01
end = 2022-01-01
action = "discrete7"
env_steps = 200000
seeds = [1, 2, 3]
"""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the folder and the run.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Make NAME/config.toml."""
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise UsageError(
            broken("name", "begin with a letter or digit and hold letters, digits, . _ - only", name)
        ) from error
    folder = Path(name)
    if folder.exists():
        raise UsageError(broken("folder", "not exist yet", folder, remedy="choose another name"))
    folder.mkdir()
    path = folder / "config.toml"
    path.write_text(TEMPLATE.format(name=name), encoding="utf-8")
    emit({"path": str(path)}, as_json, lambda: out.print(f"{path}\nnext: huracan backtest {path}", markup=False))
