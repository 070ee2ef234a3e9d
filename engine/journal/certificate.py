"""The certificate of parity: what was held to what, with the hashes of everything that could have made a difference.

It holds no date and no duration: the same proof over the same things is the same file.
"""

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from engine.contract.errors import DataError, broken
from engine.journal.run import CERTIFICATE, MANIFEST, read_json, runs

CERTIFICATES = "parity"
"""Folder beside that of the runs: the last certificate of every name."""

FORMAT = 1


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What decided, on which data.

    Attributes
    ----------
    code_version
        As `engine.contract.version.code_version` returns it.
    config_sha256
        Of the resolved configuration.
    policy, policy_digest
        Name and digest of the policy's folder; None for a rule.
    inference
        What computed the policy's answers: library, providers, threads; None for a rule.
    datasets
        Instrument and bar (or kind) to the digest of its data; empty where a session recorded them itself.
    tape_sha256
        Digest of what a session recorded; "" where none was replayed.
    """

    code_version: str
    config_sha256: str
    policy: str | None = None
    policy_digest: str | None = None
    inference: dict[str, Any] | None = None
    datasets: dict[str, str] = msgspec.field(default_factory=dict)
    tape_sha256: str = ""


class Hashes(msgspec.Struct, frozen=True):
    """One side's journal, and the digests of its tables."""

    decisions_sha256: str
    fills_sha256: str
    orders_sha256: str
    equity_sha256: str
    breaker_sha256: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof of parity found.

    Attributes
    ----------
    proof
        `exchange`: a back test against a live node on the rehearsal exchange; `catalog`: against one that was fed by a catalog;
        `recorded`: a session against the replay of its tape.
    pace
        `deterministic`: the exchange waits for the decisions; `real_time`: it moves by itself; `recorded`.
    passed
        No decision differs, nor anything else that must be equal at this pace.
    was, became
        Hashes of the side that came first (the back test, or the recorded session), and of the other.
    figures
        Rows compared, by kind.
    differences
        Differing rows, by kind; kinds without one are left out.
    first_difference
        Its row, the field with its kind, and both values.
    distributions
        Two-sample statements on fills; empty where fills are compared one by one.
    not_exercised
        What there was no occasion to check.
    """

    format: int = FORMAT
    proof: Literal["exchange", "catalog", "recorded"]
    pace: Literal["deterministic", "real_time", "recorded"]
    passed: bool
    identity: Identity
    was: Hashes
    became: Hashes
    figures: dict[str, int]
    differences: dict[str, int]
    first_difference: dict[str, Any] | None
    distributions: list[dict[str, Any]]
    not_exercised: list[str]

    @property
    def digest(self) -> str:
        """SHA-256 of the certificate's canonical JSON; the file carries it, so that an alteration is found."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def encode(certificate: Certificate) -> bytes:
    """Return the file's bytes: sorted keys, indented, with the certificate's digest."""
    document = {**msgspec.to_builtins(certificate), "sha256": certificate.digest}
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"


def read_certificate(path: Path) -> Certificate:
    """Read a certificate and verify its digest.

    Raises
    ------
    DataError
        The file is missing, is no certificate, or was altered.
    """
    if not path.is_file():
        raise DataError(broken("certificate", "be a file", path, remedy="huracan verify parity CONFIG writes one"))
    try:
        document = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        told = document.pop("sha256", "")
        certificate = msgspec.convert(document, Certificate)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise DataError(broken("certificate", "be one", error, str(path), "verify parity again")) from error
    if certificate.digest != told:
        raise DataError(
            broken("certificate", f"have digest {certificate.digest[:12]}", told[:12], str(path), "verify parity again")
        )
    return certificate


def identity_of_run(manifest: dict[str, Any]) -> Identity:
    """Return the identity that a run's manifest tells; what an older one does not tell is None."""
    return Identity(
        code_version=manifest["code_version"],
        config_sha256=manifest["config_sha256"],
        policy=manifest["policy"],
        policy_digest=manifest["policy_digest"],
        inference=manifest.get("inference"),
        datasets=manifest["datasets"],
    )


def stale(certificate: Certificate, present: Identity) -> list[str]:
    """Name what is not any more what the certificate was given for, with both values; empty where it still holds.

    Data are compared where both sides name them: a session's data are on its tape.
    """
    given, found = certificate.identity, []
    for name in ("code_version", "config_sha256", "policy_digest", "inference"):
        was, now = getattr(given, name), getattr(present, name)
        if was != now:
            found.append(f"{name} was {_short(was)}, is {_short(now)}")
    if given.datasets and present.datasets:
        for name in sorted(given.datasets.keys() | present.datasets.keys()):
            was, now = given.datasets.get(name), present.datasets.get(name)
            if was != now:
                found.append(f"data of {name} was {_short(was)}, is {_short(now)}")
    return found


def _short(value: Any) -> str:
    if isinstance(value, str):
        head, mark, tail = value.rpartition("+src.")
        return f"{head}{mark}{tail[:12]}"
    return "absent" if value is None else str(value)


def place(certificate: Certificate, name: str, root: Path) -> list[Path]:
    """Keep a certificate beside the runs, under the name of their configuration, and put it into every run that it holds for.

    One of a real-time pace says less than one row by row: it is kept under a name of its own, and put into no run.

    Parameters
    ----------
    name
        `run.name` of the configuration.
    root
        Folder of the runs.

    Returns
    -------
    Files: the one beside the runs first, then those in runs.
    """
    sampled = certificate.pace == "real_time"
    kept = _beside(root) / f"{name}{'.real_time' if sampled else ''}.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(encode(certificate))
    if sampled:
        return [kept]
    named = [folder for folder in runs(root) if folder.name.rpartition("-")[0] == name]
    return [kept, *(folder / CERTIFICATE for folder in named if adopt(folder, root))]


def adopt(folder: Path, root: Path) -> bool:
    """Put the certificate that is kept beside the runs into a run's folder, if it holds for the run; tell whether it does.

    A run that is being written looks here; what cannot be read holds for nothing.
    """
    manifest = read_json(folder / MANIFEST)
    kept = _beside(root) / f"{manifest['run_id'].rpartition('-')[0]}.json"
    try:
        certificate = read_certificate(kept)
    except DataError:
        return False
    if (
        stale(certificate, identity_of_run(manifest))
        or manifest["decisions_sha256"] != certificate.was.decisions_sha256
    ):
        return False
    (folder / CERTIFICATE).write_bytes(encode(certificate))
    return True


def _beside(root: Path) -> Path:
    return root.parent / CERTIFICATES
