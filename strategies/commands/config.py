"""`huracan config`: the schema of the configuration, and a check of one file."""

import sys

import msgspec

from engine.console import emit, out
from engine.contract.config import dump, load, schema
from strategies.assembly import strategy_class
from strategies.commands.options import ConfigFile, Json, Set, application

app = application("The configuration file.")


@app.command("schema")
def schema_() -> None:
    """Print the JSON schema."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(schema()), indent=2).decode() + "\n")


@app.command("check")
def check(config: ConfigFile, set_: Set = None, as_json: Json = False) -> None:
    """Read a configuration, hold it to every rule, and print it resolved."""
    resolved = load(config, set_ or [])
    if resolved.strategy_name != "policy":
        strategy_class(resolved.strategy_name)
    text = dump(resolved)
    emit({"passed": True, "config": text}, as_json, lambda: out.print(text, markup=False))
