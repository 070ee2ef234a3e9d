"""Where policies are found: `NAME@VERSION` among the released and the trained ones, or a folder's path."""

from pathlib import Path

from engine.contract.errors import PolicyError, broken
from engine.policy.history import champion
from engine.policy.manifest import MANIFEST

RELEASED = Path(__file__).resolve().parents[2] / "models" / "released"
TRAINED = Path("var/policies")


def version_key(version: str) -> tuple[int, str]:
    """Order versions by number where they are numbers."""
    return (int(version), "") if version.isdecimal() else (-1, version)


def policies() -> list[Path]:
    """Return every policy folder, trained before released, names in order, versions ascending."""
    folders = [path.parent for root in (TRAINED, RELEASED) for path in root.glob(f"*/*/{MANIFEST}")]
    return sorted(folders, key=lambda p: (p.parents[1] != TRAINED, p.parent.name, version_key(p.name)))


def next_version(name: str, root: Path = TRAINED) -> str:
    """Return the version after the highest one of `name` under `root` and among the released, from 1."""
    folders = [*(root / name).glob("*"), *(RELEASED / name).glob("*")]
    taken = [int(path.name) for path in folders if path.name.isdecimal()]
    return str(max(taken, default=0) + 1)


def resolve(source: str) -> Path:
    """Find a policy folder.

    Parameters
    ----------
    source
        A folder, a path below the installed tree (`models/released/NAME/VERSION`), `NAME@VERSION`, or `NAME` for its champion, or, where
        nobody was promoted, for its latest version.

    Raises
    ------
    PolicyError
        No such policy; the message lists those there are.
    """
    for folder in (Path(source), RELEASED.parents[1] / source):
        if (folder / MANIFEST).is_file():
            return folder
    name, _, version = source.partition("@")
    seat = champion(name) if source == name and "/" not in name else None
    if seat is not None and (Path(seat.path) / MANIFEST).is_file():
        return Path(seat.path)
    found = [path for path in policies() if path.parent.name == name and version in ("", path.name)]
    if found:
        return max(found, key=lambda p: (p.parents[1] == TRAINED, version_key(p.name)))
    known = ", ".join(f"{path.parent.name}@{path.name}" for path in policies()) or "none"
    raise PolicyError(
        broken("policy", f"be a policy folder or one of: {known}", source, "policy.path", "huracan train makes one")
    )
