"""`huracan verify export`: the exported graph against torch, on random inputs."""

from typing import Annotated

import typer

from engine.contract.config import load
from engine.contract.errors import ConfigError, broken
from engine.policy.registry import resolve
from models.export import verify_export
from strategies.commands.options import ConfigFile, Json, PolicyOption, Set, application, overrides
from strategies.commands.verify import report
from strategies.verification import Verdict

app = application("Verify an export.")


@app.command()
def export(
    config: ConfigFile,
    set_: Set = None,
    policy: PolicyOption = None,
    inputs: Annotated[int, typer.Option(min=1, help="How many random inputs to compare.")] = 1000,
    as_json: Json = False,
) -> None:
    """Rebuild the policy in torch from its weights and compare every answer with the graph that trades."""
    resolved = load(config, overrides(set_, policy))
    if resolved.policy is None:
        raise ConfigError(broken("policy.path", "name a policy", "absent", "[policy]", "give --policy NAME@VERSION"))
    checked, differences, first = verify_export(resolve(resolved.policy.path), inputs)
    verdict = Verdict(differences == 0, checked, differences, first, ["other execution providers than the CPU"])
    report("export", "answers compared", verdict, as_json)
