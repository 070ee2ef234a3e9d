"""Copies of the released policy under other versions: equal ones, and ones that are wrong on purpose."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx

from engine.policy.manifest import GOLDEN, GRAPH, MANIFEST, PolicyManifest, digests, read, write
from tests.conftest import ROOT

RELEASED = ROOT / "models" / "released" / "trend" / "2"


def clone(root: Path, version: str, name: str = "trend", source: Path = RELEASED, **fields: Any) -> Path:
    """Copy a policy under another version; its files stay, byte for byte."""
    folder = root / name / version
    shutil.copytree(source, folder)
    write(folder, msgspec.structs.replace(read(folder), name=name, version=version, **fields))
    return folder


def altered(folder: Path, kind: str) -> Path:
    """Let the graph of a copy answer otherwise: `Neg` the opposite, `Sqrt` the root, which is no number below 0; golden follows."""
    model = onnx.load(folder / GRAPH)
    graph = model.graph
    for node in graph.node:
        for names in (node.output, node.input):
            for place, name in enumerate(names):
                if name == "action":
                    names[place] = "action_before"
    graph.node.append(onnx.helper.make_node(kind, ["action_before"], ["action"]))
    onnx.save(model, folder / GRAPH)
    with np.load(folder / GOLDEN) as held:
        golden = {key: held[key] for key in held.files}
    with np.errstate(invalid="ignore"):
        golden["action"] = -golden["action"] if kind == "Neg" else np.sqrt(golden["action"])
    kept = np.isfinite(golden["action"])
    np.savez(folder / GOLDEN, **{key: value[kept] for key, value in golden.items()})
    write(folder, msgspec.structs.replace(unchecked(folder), files=digests(folder)))
    return folder


def unchecked(folder: Path) -> PolicyManifest:
    """Read a manifest whose digests are out of date."""
    return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=PolicyManifest)
