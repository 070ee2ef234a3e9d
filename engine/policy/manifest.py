"""The manifest of a policy folder: what it was made from, and the digests that must hold before it may trade.

A policy folder holds `policy.onnx`, `manifest.json`, `golden.npz`, `CARD.md` and, for whoever trains on, `weights.safetensors`.
"""

import hashlib
from pathlib import Path
from typing import Any

import msgspec

from engine.contract.errors import PolicyError, broken
from engine.contract.observation import Contract

GRAPH, MANIFEST, GOLDEN, CARD, WEIGHTS = "policy.onnx", "manifest.json", "golden.npz", "CARD.md", "weights.safetensors"
REQUIRED = (GRAPH, GOLDEN, CARD)


class PolicyManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a policy folder says of itself.

    Attributes
    ----------
    name, version
        Together they name the policy: `NAME@VERSION`.
    contract, contract_digest
        Observation, action and outputs, and the SHA-256 of their canonical JSON.
    files
        File name to SHA-256 of its bytes, for every file of the folder but the manifest.
    network
        Architecture and recipe, as the exporter needs them to build the torch module again.
    training
        Algorithm, seeds, steps, hyperparameters, and the command that repeats it.
    data
        Instruments, bar, training and validation spans, and the SHA-256 of each data set.
    costs
        Fees, half-spread, fill assumption and budget that it was trained with.
    code_version
        Version of this code.
    evaluation
        Validation results per seed, and the degeneracy figures.
    """

    format: int = 1
    name: str
    version: str
    contract: Contract
    contract_digest: str
    files: dict[str, str]
    network: dict[str, Any]
    training: dict[str, Any]
    data: dict[str, Any]
    costs: dict[str, Any]
    code_version: str
    evaluation: dict[str, Any]

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest's canonical JSON: the identity of the whole folder."""
        return hashlib.sha256(encode(self)).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def encode(manifest: PolicyManifest) -> bytes:
    """Encode as JSON, keys sorted, indented by two."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"


def digests(folder: Path) -> dict[str, str]:
    """Return name and SHA-256 of every file of `folder` but the manifest, sorted by name."""
    return {
        path.name: file_digest(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST
    }


def write(folder: Path, manifest: PolicyManifest) -> None:
    """Write `manifest.json`; call it last, with `files=digests(folder)`."""
    (folder / MANIFEST).write_bytes(encode(manifest))


def read(folder: Path) -> PolicyManifest:
    """Read the manifest of a policy folder and check every digest in it.

    Raises
    ------
    PolicyError
        The folder or one of its files is missing, a file's digest differs, or the contract's digest is not that of the contract.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise PolicyError(
            broken("policy", f"be a folder with {MANIFEST}", folder, remedy="huracan policy list shows what there is")
        )
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=PolicyManifest)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise PolicyError(
            broken("manifest", "be readable", str(error), str(path), "export the policy again")
        ) from error
    for name in (*REQUIRED, *manifest.files):
        if name not in manifest.files:
            raise PolicyError(
                broken(f"manifest of {name}", "list its digest", "absent", str(path), "export the policy again")
            )
        file = folder / name
        if not file.is_file():
            raise PolicyError(
                broken(name, "be in the policy folder", "missing", str(folder), "export the policy again")
            )
        found = file_digest(file)
        if found != manifest.files[name]:
            raise PolicyError(
                broken(
                    f"{name} digest",
                    f"be {manifest.files[name][:12]}",
                    found[:12],
                    str(folder),
                    "restore the folder or export again",
                )
            )
    if manifest.contract.digest != manifest.contract_digest:
        raise PolicyError(
            broken(
                "contract digest",
                f"be {manifest.contract.digest[:12]}",
                manifest.contract_digest[:12],
                f"{manifest.name}/{manifest.version}",
                "export the policy again",
            )
        )
    return manifest
