"""Whether a run was proven to be what it was tested as: its certificate of parity, as the report says it."""

from pathlib import Path
from typing import Any

from engine.contract.errors import DataError
from engine.evaluation.page import text
from engine.journal.certificate import Certificate, identity_of_run, read_certificate, stale
from engine.journal.run import CERTIFICATE

NOT_VERIFIED = "not verified"


def proven(folder: Path, manifest: dict[str, Any]) -> str:
    """Return HTML that says what the certificate in a run's folder proves of the run; or that it is absent, stale or altered."""
    path = folder / CERTIFICATE
    if not path.is_file():
        command = "verify parity --recorded RUN" if manifest["mode"] != "backtest" else "verify parity CONFIG"
        return f"{NOT_VERIFIED}: huracan {command}"
    try:
        certificate = read_certificate(path)
    except DataError as error:
        return f'<span class="flag">{NOT_VERIFIED}</span>: {text(error)}'
    digest = f"<code>{certificate.digest[:12]}</code>"
    if changed := _changed(certificate, manifest):
        return f'<span class="flag">stale</span> certificate {digest}: {text("; ".join(changed))}'
    if not certificate.passed:
        first = certificate.first_difference or {}
        row = f"row {first.get('row')}, {first.get('ts_event')}, {first.get('instrument_id')}, {first.get('field')}"
        values = f"was {first.get('was')}, became {first.get('became')}"
        return f'<span class="flag">failed</span> {digest}: {text(f"{row}: {values}")}'
    return f"certified {digest}: {text(_said(certificate))}{_left_out(certificate)}"


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


def _left_out(certificate: Certificate) -> str:
    return f"<br>not exercised: {text('; '.join(certificate.not_exercised))}" if certificate.not_exercised else ""
