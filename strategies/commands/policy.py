"""`huracan policy`: which policies there are, and what one says of itself."""

from typing import Annotated, Any

import msgspec
import typer

from engine.console import emit, out, table
from engine.policy.manifest import CARD, MANIFEST, PolicyManifest, read
from engine.policy.registry import policies, resolve
from strategies.commands.options import Json, application

app = application("Policies.")


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
            }
        )
    emit(
        {"policies": found},
        as_json,
        lambda: table(
            ("policy", "action", "bar", "path"),
            [(f"{row['name']}@{row['version']}", row["action"], row["bar"], row["path"]) for row in found],
        ),
    )


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
