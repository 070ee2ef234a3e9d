"""Whether a run was proven to be what it was tested as: its certificate of parity, as the report says it."""

from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from engine.contract.errors import DataError
from engine.evaluation.page import text
from engine.journal.certificate import Certificate, identity_of_run, read_certificate, stale
from engine.journal.run import CERTIFICATE

NOT_VERIFIED: Final = "not verified"


class Proof(NamedTuple):
    """What a certificate is worth for a run.

    Attributes
    ----------
    word
        `certified`, `failed`, `stale`, or `not verified`.
    digest
        Of the certificate; "" where there is none that can be read.
    said
        What was compared, what differs, what changed since, or what to do.
    not_exercised
        What there was no occasion to check.
    """

    word: Literal["certified", "failed", "stale", "not verified"]
    digest: str
    said: str
    not_exercised: tuple[str, ...] = ()


def proof_of(folder: Path, manifest: dict[str, Any]) -> Proof:
    """Return what the certificate in the folder of a run that has ended proves of it."""
    path = folder / CERTIFICATE
    if not path.is_file():
        command = "verify parity --recorded RUN" if manifest["mode"] != "backtest" else "verify parity CONFIG"
        return Proof(NOT_VERIFIED, "", f"huracan {command}")
    try:
        certificate = read_certificate(path)
    except DataError as error:
        return Proof(NOT_VERIFIED, "", str(error))
    left_out = tuple(certificate.not_exercised)
    if changed := _changed(certificate, manifest):
        return Proof("stale", certificate.digest, "; ".join(changed), left_out)
    if not certificate.passed:
        first = certificate.first_difference or {}
        row = f"row {first.get('row')}, {first.get('ts_event')}, {first.get('instrument_id')}, {first.get('field')}"
        values = f"was {first.get('was')}, became {first.get('became')}"
        return Proof("failed", certificate.digest, f"{row}: {values}", left_out)
    return Proof("certified", certificate.digest, _said(certificate), left_out)


def proven(folder: Path, manifest: dict[str, Any]) -> str:
    """Return HTML that says what the certificate in a run's folder proves of the run; or that it is absent, stale or altered."""
    found = proof_of(folder, manifest)
    absent = found.word == NOT_VERIFIED and not (folder / CERTIFICATE).is_file()
    word = found.word if found.word == "certified" or absent else f'<span class="flag">{found.word}</span>'
    digest = f" <code>{found.digest[:12]}</code>" if found.digest else ""
    told = f"{word}{digest}: {text(found.said)}"
    if found.word == "certified" and found.not_exercised:
        told += f"<br>not exercised: {text('; '.join(found.not_exercised))}"
    return told


def _changed(certificate: Certificate, manifest: dict[str, Any]) -> list[str]:
    changed = stale(certificate, identity_of_run(manifest))
    was, now = certificate.was.decisions_sha256, manifest["decisions_sha256"]
    return changed if was == now else [*changed, f"decisions hash was {was[:12]}, is {now[:12]}"]


def _said(certificate: Certificate) -> str:
    held = {
        "exchange": "back test and live node on the rehearsal exchange",
        "catalog": "back test and live node fed by the catalog",
        "recorded": "session and replay of its tape",
    }[certificate.proof]
    figures, pace = certificate.figures, certificate.pace.replace("_", "-")
    return f"{held}, {pace} pace, {figures['decisions']:,} decisions and {figures['fills']:,} fills equal"
