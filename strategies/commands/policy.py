"""`huracan policy`: which policies there are, what one says of itself, and who decides."""

from typing import Annotated, Any

import msgspec
import typer

from engine.console import emit, out, table
from engine.policy.history import History
from engine.policy.manifest import CARD, MANIFEST, PolicyManifest, read
from engine.policy.registry import policies, resolve
from strategies.commands.options import Json, application
from strategies.commands.promotion import canary, history, promote, rollback, shadow

app = application("Policies.")
for verb in (shadow, canary, promote, rollback, history):
    app.command(verb.__name__)(verb)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List released and trained policies."""
    found: list[dict[str, Any]] = []
    for folder in policies():
        manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=PolicyManifest)
        found.append(
            {
                "name": manifest.name,
                "version": manifest.version,
                "path": str(folder),
                "action": manifest.contract.action.kind,
                "bar": manifest.contract.bar,
                "instruments": manifest.data.get("instruments", []),
                "role": _role(manifest),
            }
        )
    emit(
        {"policies": found},
        as_json,
        lambda: table(
            ("policy", "role", "action", "bar", "path"),
            [(f"{row['name']}@{row['version']}", row["role"], row["action"], row["bar"], row["path"]) for row in found],
        ),
    )


def _role(manifest: PolicyManifest) -> str:
    now = History(manifest.name).current()
    return "" if now is None else now.assignment.role(f"{manifest.name}@{manifest.version}")


@app.command("show")
def show(
    policy: Annotated[str, typer.Argument(help="Folder, NAME or NAME@VERSION.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Verify one policy's digests and print its card."""
    folder = resolve(policy)
    manifest = read(folder)
    document = {**msgspec.to_builtins(manifest), "path": str(folder), "digest": manifest.digest}
    emit(document, as_json, lambda: out.print((folder / CARD).read_text(encoding="utf-8"), markup=False))
