"""The catalog's manifest: what data it holds, with the hash of every dataset."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np

from catalogs.columns import Ints, Kind, Rows, read_rows
from engine.contract.calendar import bar_ns, iso
from engine.contract.errors import DataError, EnvironmentFault, broken
from engine.contract.instrument import InstrumentSpec

NAME = "manifest.json"
SWAP = ".swap.json"
STAGING = ".staging"
FORMAT = 1


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file, or a generator, that rows came from; `layout` says how it was read."""

    file: str
    layout: str


class Dataset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One series of one instrument.

    Attributes
    ----------
    instrument_id, kind, bar
        What it is; `bar` is None unless `kind` is bars.
    rows, start, end
        Number of rows; ISO time of the first row (a bar's open), and of the last (a bar's close).
    gaps, missing
        Runs of absent bars (or funding times), and how many are absent in all; 0 for trades and quotes.
    sha256
        Hash over times and values, see `Rows.digest`.
    files
        Parquet files, relative to the catalog.
    sources
        Where the rows came from, in order of arrival.
    """

    instrument_id: str
    kind: Kind
    bar: str | None
    rows: int
    start: str
    end: str
    gaps: int
    missing: int
    sha256: str
    files: list[str]
    sources: list[Source]

    @property
    def key(self) -> tuple[str, str, str]:
        """Identity within a catalog."""
        return self.instrument_id, self.kind, self.bar or ""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Instruments and datasets of a catalog; `pinned` lists the instruments whose price precision was given, not inferred."""

    format: int = FORMAT
    instruments: list[InstrumentSpec] = []
    pinned: list[str] = []
    datasets: list[Dataset] = []

    def spec(self, instrument_id: str) -> InstrumentSpec | None:
        """Trading terms of an instrument, or None where the catalog does not hold it."""
        return next((spec for spec in self.instruments if spec.instrument_id == instrument_id), None)

    def dataset(self, instrument_id: str, kind: Kind, bar: str | None = None) -> Dataset | None:
        """The dataset with this identity, or None."""
        key = (instrument_id, kind, bar or "")
        return next((dataset for dataset in self.datasets if dataset.key == key), None)

    def with_entry(self, spec: InstrumentSpec, pinned: bool, datasets: Sequence[Dataset]) -> "Manifest":
        """A manifest in which the instrument and these datasets replace those of the same identity."""
        keys = {dataset.key for dataset in datasets}
        others = [old for old in self.instruments if old.instrument_id != spec.instrument_id]
        return Manifest(
            format=self.format,
            instruments=sorted([*others, spec], key=lambda one: one.instrument_id),
            pinned=sorted({*self.pinned, spec.instrument_id} if pinned else self.pinned),
            datasets=sorted(
                [old for old in self.datasets if old.key not in keys] + list(datasets), key=lambda one: one.key
            ),
        )


def steps_missing(ts: Ints, step: int) -> Ints:
    """How many steps are absent before each row but the first; shape (T - 1,)."""
    return np.rint(np.diff(ts) / step).astype(np.int64) - 1


def funding_step(ts: Ints) -> int:
    """Most common time between funding rates, in nanoseconds, to the minute; 8 hours where there is only one rate."""
    if len(ts) < 2:
        return 8 * 3_600 * 1_000_000_000
    minutes, counts = np.unique(np.rint(np.diff(ts) / 60e9).astype(np.int64), return_counts=True)
    return max(int(minutes[np.argmax(counts)]), 1) * 60_000_000_000


def describe(instrument_id: str, rows: Rows, file: str, sources: Sequence[Source]) -> Dataset:
    """Entry of the manifest for these rows."""
    step = bar_ns(rows.bar) if rows.bar else funding_step(rows.ts) if rows.kind == "funding" else 0
    missing = steps_missing(rows.ts, step) if step else np.zeros(0, dtype=np.int64)
    return Dataset(
        instrument_id=instrument_id,
        kind=rows.kind,
        bar=rows.bar,
        rows=len(rows),
        start=iso(int(rows.ts[0])),
        end=iso(int(rows.ts[-1]) + (step if rows.bar else 0)),
        gaps=int((missing > 0).sum()),
        missing=int(missing[missing > 0].sum()),
        sha256=rows.digest(),
        files=[file],
        sources=list(dict.fromkeys(sources)),
    )


def verified_rows(root: Path, dataset: Dataset) -> Rows:
    """Rows of a dataset that the manifest lists.

    Raises
    ------
    DataError
        The file is missing or unreadable, or its content has another hash than the manifest says.
    """
    rows = read_rows(root / dataset.files[0], dataset.kind, dataset.bar)
    if (found := rows.digest()) != dataset.sha256:
        remedy = "restore the file, or import it into a new catalog"
        rule = f"be {dataset.sha256[:12]}"
        raise DataError(broken("dataset hash", rule, found[:12], f"{root / dataset.files[0]}", remedy))
    return rows


def to_bytes(manifest: Manifest) -> bytes:
    """Canonical JSON, indented, with a final newline."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside the target, flush to disk, rename over it."""
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def read_manifest(catalog: str | Path) -> Manifest:
    """Read the manifest of a catalog; a swap that a kill interrupted is completed first.

    Raises
    ------
    DataError
        The folder is missing, is no catalog, or its manifest breaks the format.
    """
    root = Path(catalog)
    if (root / SWAP).exists():
        with locked(root):
            pass
    return parse(root)


def parse(root: Path) -> Manifest:
    """Read the manifest as it lies there."""
    remedy = "make one with huracan data import or huracan data synth"
    if not root.is_dir():
        raise DataError(broken("catalog", "be an existing folder", root, remedy=remedy))
    path = root / NAME
    if not path.is_file():
        raise DataError(broken("catalog", f"hold {NAME}", f"without one: {root}", remedy=remedy))
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise DataError(broken("manifest", "follow its format", error, str(path), "import the data again")) from error
    if manifest.format != FORMAT:
        raise DataError(broken("manifest format", f"be {FORMAT}", manifest.format, str(path), "import the data again"))
    return manifest


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the catalog for writing: one writer at a time; leftovers of a killed writer are completed or removed.

    Raises
    ------
    DataError
        The path is a file.
    EnvironmentFault
        The disk is full, or the folder cannot be written.
    """
    if root.exists() and not root.is_dir():
        raise DataError(broken("catalog", "be a folder", f"a file: {root}", remedy="name another with --catalog"))
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise unwritable(root, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if (root / SWAP).exists():
            complete_swap(root)
        shutil.rmtree(root / STAGING, ignore_errors=True)
        yield
    except OSError as error:
        raise unwritable(root, error) from error
    finally:
        if not (root / SWAP).exists():
            shutil.rmtree(root / STAGING, ignore_errors=True)
        if not any(root.iterdir()):
            root.rmdir()
        os.close(handle)


def unwritable(root: Path, error: OSError) -> EnvironmentFault:
    """The fault of a disk that is full, read-only or not ours."""
    remedy = "check space and permissions; its data is as it was"
    return EnvironmentFault(broken("catalog", "be writable", error.strerror or error, str(root), remedy))


class Swap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Intent to change a catalog: staged files to move into place, then files to remove, all relative to the catalog."""

    moves: list[str]
    removals: list[str]


def complete_swap(root: Path) -> None:
    """Move staged files into place; safe to repeat after an interruption at any point."""
    swap = msgspec.json.decode((root / SWAP).read_bytes(), type=Swap)
    for name in swap.moves:
        if (root / STAGING / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(root / STAGING / name, root / name)
    for name in swap.removals:
        (root / name).unlink(missing_ok=True)
    (root / SWAP).unlink()
    shutil.rmtree(root / STAGING, ignore_errors=True)
