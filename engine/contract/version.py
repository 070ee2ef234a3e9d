"""Which code ran: the version, and a digest of the sources it came from."""

import functools
import hashlib
import importlib.metadata
from pathlib import Path

PACKAGES = ("engine", "strategies", "models", "catalogs", "live")


@functools.cache
def code_version() -> str:
    """Return `VERSION+src.DIGEST`, the digest over path and bytes of every Python file of the product."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode())
            digest.update(path.read_bytes())
    try:
        version = importlib.metadata.version("huracan")
    except importlib.metadata.PackageNotFoundError:
        version = "0"
    return f"{version}+src.{digest.hexdigest()[:12]}"
