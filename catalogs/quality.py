"""Judging a catalog: what is odd in its data, and what a run does about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from catalogs.columns import Floats, Ints, Rows, decode, read_rows
from catalogs.manifest import Dataset, Manifest, describe, funding_step, read_manifest, steps_missing
from engine.contract.calendar import bar_ns, iso
from engine.contract.errors import DataError
from engine.contract.instrument import InstrumentSpec

Severity = Literal["refuse", "warning", "note"]

OUTLIER_WINDOW_BARS = 500
OUTLIER_DEVIATIONS = 20.0
REVERT_DEVIATIONS = 12.0
REVERT_FRAC = 0.8
NORMAL_PER_MAD = 1.4826
FLAT_BARS = 3
EFFECTS: dict[str, tuple[Severity, str]] = {
    "altered": ("refuse", "a run refuses: the file is not the one that was imported; restore it, or import again"),
    "unlisted": ("refuse", "a run refuses: NautilusTrader would read this file too; remove it"),
    "instrument": ("refuse", "a run refuses: the catalog lacks the instrument's terms; import again"),
    "duplicates": ("refuse", "a run refuses: two rows of one time; import again"),
    "non_monotone": ("refuse", "a run refuses: time goes back; import again"),
    "impossible": ("refuse", "a run refuses: no market traded such a bar; repair the source, import again"),
    "gap": (
        "warning",
        "no bar is invented: windows span the gap, an order decided before it fills after it; see coverage",
    ),
    "funding_missing": ("warning", "no rate is invented: nothing is settled at the absent times"),
    "bad_tick": ("warning", "kept as it is: it enters observations and may fill orders; compare another source"),
    "outlier": ("note", "kept as it is: it may be a real move; training sees it through the normaliser"),
    "zero_volume": ("note", "kept as they are: fills are assumed at these prices though nobody traded"),
    "flat": ("note", "kept as they are: the price did not move, volatility reads zero"),
}


class Finding(msgspec.Struct, frozen=True):
    """Something odd in a dataset.

    Attributes
    ----------
    check, severity
        What it is; `refuse` makes a run refuse the data, `warning` wants a look, `note` is for the record.
    start, length
        ISO time where it begins; number of bars (rows, funding times) it covers.
    detail
        What was found.
    effect
        What a run does about it.
    """

    instrument_id: str
    kind: str
    bar: str | None
    check: str
    severity: Severity
    start: str
    length: int
    detail: str
    effect: str


class Quality(msgspec.Struct, frozen=True):
    """Datasets that were checked, and the findings in order of severity, dataset and time."""

    datasets: int
    rows: int
    findings: list[Finding]

    @property
    def passed(self) -> bool:
        """Whether a run accepts the data."""
        return all(finding.severity != "refuse" for finding in self.findings)


Found = tuple[str, int, int, str]


def check(catalog: str | Path, stage: Callable[[str], None] = lambda text: None) -> Quality:
    """Check every dataset of a catalog, and its files against the manifest.

    A move is an outlier when its absolute log return is over 20 deviations: 1.4826 times the median absolute log return of the 500
    bars before it. A move of over 12 deviations of which the next bar takes back at least 80 % is a bad tick.

    Raises
    ------
    DataError
        The folder is no catalog.
    """
    root = Path(catalog)
    manifest = read_manifest(root)
    findings: list[Finding] = []
    for dataset in manifest.datasets:
        stage(f"{dataset.instrument_id} {dataset.bar or dataset.kind}")
        found = examine(root, manifest, dataset)
        findings += [finding(dataset, *one) for one in found]
    order = ("refuse", "warning", "note")
    findings.sort(key=lambda one: (order.index(one.severity), one.instrument_id, one.kind, one.bar or "", one.start))
    return Quality(len(manifest.datasets), sum(dataset.rows for dataset in manifest.datasets), findings)


def finding(dataset: Dataset, name: str, start: int, length: int, detail: str) -> Finding:
    """A finding with its severity and effect."""
    severity, effect = EFFECTS[name]
    where = (dataset.instrument_id, dataset.kind, dataset.bar)
    return Finding(*where, name, severity, iso(start), length, detail, effect)


def examine(root: Path, manifest: Manifest, dataset: Dataset) -> list[Found]:
    """Everything that is odd in one dataset."""
    try:
        rows = read_rows(root / dataset.files[0], dataset.kind, dataset.bar)
    except DataError as error:
        return [("altered", 0, 0, str(error))]
    found: list[Found] = []
    spec = manifest.spec(dataset.instrument_id)
    if spec is None or not instrument_file(root, spec).is_file():
        found.append(
            ("instrument", 0, 0, f"no file {instrument_file(root, spec).relative_to(root)}" if spec else "no terms")
        )
    beside = (root / dataset.files[0]).parent.glob("*.parquet")
    found += [("unlisted", 0, 0, path.name) for path in sorted(beside) if path.name != Path(dataset.files[0]).name]
    now = describe(dataset.instrument_id, rows, dataset.files[0], dataset.sources)
    if now != dataset:
        detail = (
            f"hash {now.sha256[:12]}, {now.rows} rows; the manifest says {dataset.sha256[:12]}, {dataset.rows} rows"
        )
        found.append(("altered", int(rows.ts[0]), len(rows), detail))
    found += order_of(rows)
    if dataset.kind == "bars":
        found += examine_bars(rows)
    elif dataset.kind == "funding":
        found += absent(rows.ts, funding_step(rows.ts), "funding_missing", "funding times")
    return found


def instrument_file(root: Path, spec: InstrumentSpec) -> Path:
    """Where NautilusTrader keeps an instrument."""
    folder = "currency_pair" if spec.kind == "spot" else "crypto_perpetual"
    stamp = "1970-01-01T00-00-00-000000000Z"
    return root / "data" / folder / spec.instrument_id / f"{stamp}_{stamp}.parquet"


def order_of(rows: Rows) -> list[Found]:
    """Repeated and backward times."""
    step = np.diff(rows.ts)
    found: list[Found] = [
        ("non_monotone", int(rows.ts[i + 1]), 1, f"follows {iso(int(rows.ts[i]))}") for i in np.flatnonzero(step < 0)
    ]
    if rows.kind in ("bars", "funding"):
        found += [("duplicates", int(rows.ts[i]), 2, "two rows of one time") for i in np.flatnonzero(step == 0)]
    elif rows.kind == "trades":
        ids, counts = np.unique(rows.columns["trade_id"], return_counts=True)
        for one in ids[counts > 1]:
            where = np.flatnonzero(rows.columns["trade_id"] == one)
            found.append(("duplicates", int(rows.ts[where[0]]), len(where), f"trade id {one.decode()}"))
    return found


def examine_bars(rows: Rows) -> list[Found]:
    """Gaps, impossible bars, runs without trade or movement, outliers and bad ticks."""
    values = {name: decode(column) for name, column in rows.columns.items()}
    opening, high, low, close, volume = (values[name] for name in ("open", "high", "low", "close", "volume"))
    wrong = (high < np.maximum(opening, close)) | (low > np.minimum(opening, close)) | (low <= 0) | (volume < 0)
    found = absent(rows.ts, bar_ns(rows.bar or ""), "gap", "bars")
    for i in np.flatnonzero(wrong):
        detail = ", ".join(f"{name} {values[name][i]:.12g}" for name in ("open", "high", "low", "close", "volume"))
        found.append(("impossible", int(rows.ts[i]), 1, detail))
    if volume.any():
        found += [("zero_volume", int(rows.ts[i]), n, f"{n} bars without volume") for i, n in runs(volume == 0)]
    else:
        found.append(("zero_volume", int(rows.ts[0]), len(rows), "no bar has volume: these are no trades"))
    flat = (high == low) & (opening == np.append(np.nan, close[:-1]))
    found += [("flat", int(rows.ts[i]), n, f"{n} bars at {close[i]:.12g}") for i, n in runs(flat) if n >= FLAT_BARS]
    return found if wrong.any() else found + moves(rows.ts, close, bar_ns(rows.bar or ""))


def absent(ts: Ints, step: int, name: str, what: str) -> list[Found]:
    """Steps that are absent between two rows."""
    missing = steps_missing(ts, step)
    return [
        (name, int(ts[i]) + step, int(missing[i]), f"{missing[i]} {what} absent") for i in np.flatnonzero(missing > 0)
    ]


def runs(where: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and length of each run of true values.

    >>> runs(np.array([False, True, True, False, True]))
    [(1, 2), (4, 1)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(np.int8)))
    return [(int(start), int(end - start)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def deviations(size: Floats, window: int = OUTLIER_WINDOW_BARS) -> Floats:
    """Robust deviation from the `window` absolute log returns before each, shape (T,); infinite where there are fewer than that.

    **Known at** the end of the bar before.
    """
    import pandas as pd

    medians = np.asarray(pd.Series(size).rolling(window).median().shift(1).fillna(0.0))
    return np.where(medians > 0, NORMAL_PER_MAD * medians, np.inf)


def moves(ts: Ints, close: Floats, step: int) -> list[Found]:
    """Outliers and bad ticks among the returns between adjacent bars."""
    returns = np.diff(np.log(close))
    adjacent = np.diff(ts) == step
    size = np.abs(returns)
    scale = deviations(size)
    found: list[Found] = []
    returning = -1
    for i in np.flatnonzero(adjacent & (size > REVERT_DEVIATIONS * scale)):
        if i == returning:
            continue
        many = size[i] / scale[i]
        back = -returns[i + 1] / returns[i] if i + 1 < len(returns) and adjacent[i + 1] else 0.0
        detail = f"{100 * np.expm1(returns[i]):+.2f} % is {many:.0f} deviations"
        if REVERT_FRAC <= back <= 2.0 - REVERT_FRAC:
            returning = int(i) + 1
            found.append(("bad_tick", int(ts[i + 1]), 1, f"{detail}, {100 * back:.0f} % taken back in the next bar"))
        elif many > OUTLIER_DEVIATIONS:
            found.append(("outlier", int(ts[i + 1]), 1, detail))
    return found
