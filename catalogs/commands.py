"""`huracan data`: bring market data into a catalog, look at it, judge it."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer

from catalogs.generating import as_documents, datasets_of, store_markets
from catalogs.importing import ImportReport, import_file
from catalogs.manifest import Dataset, read_manifest
from catalogs.quality import Finding, Quality, check
from catalogs.storage import checked_bar
from catalogs.synthesis import MARKETS, synthesise
from engine.console import emit, out, progress, table
from engine.contract.calendar import to_ns
from engine.contract.errors import CheckFailed, UsageError, broken
from engine.contract.instrument import InstrumentSpec

app = typer.Typer(help="Market data in a catalog.", no_args_is_help=True, add_completion=False, rich_markup_mode=None)
DEFAULT = Path("var/catalogs/main")
Catalog = Annotated[Path, typer.Option(help="Folder of the catalog.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="Parquet, feather, CSV or JSON file.")],
    instrument: Annotated[str, typer.Option(help="BTCUSDT.BINANCE (spot) or BTCUSDT-PERP.BINANCE (perpetual).")],
    bar: Annotated[str | None, typer.Option(help="Length of the bars, as 1-HOUR; bars need it.")] = None,
    kind: Annotated[
        Literal["bars", "trades", "quotes", "funding"] | None, typer.Option(help="What the rows are, if not plain.")
    ] = None,
    catalog: Catalog = DEFAULT,
    on_conflict: Annotated[
        Literal["refuse", "keep", "replace"], typer.Option(help="For rows that differ from others of the same time.")
    ] = "refuse",
    price_precision: Annotated[int | None, typer.Option(help="Decimals of a price; inferred if not given.")] = None,
    size_precision: Annotated[int | None, typer.Option(help="Decimals of a lot; inferred if not given.")] = None,
    min_notional: Annotated[float | None, typer.Option(help="Smallest order value, in quote; 5 if not given.")] = None,
    as_json: Json = False,
) -> None:
    """Import a file of bars, trades, quotes or funding rates; twice changes nothing."""
    precisions = (price_precision, size_precision, min_notional)
    with progress(f"importing {file.name}", 3) as advance:
        report = import_file(
            catalog, file, instrument, bar, kind, *precisions, on_conflict, stage=lambda text: advance(1, text)
        )
    document = msgspec.to_builtins(report)
    emit(document, as_json, lambda: show_import(report, file.name))


@app.command("download")
def download_(
    instrument: Annotated[str, typer.Option(help="BTCUSDT.BINANCE (spot) or BTCUSDT-PERP.BINANCE (perpetual).")],
    bar: Annotated[str | None, typer.Option(help="Length of the bars, as 1-HOUR; bars need it.")] = None,
    kind: Annotated[Literal["bars", "funding"], typer.Option(help="What to fetch.")] = "bars",
    exchange: Annotated[str | None, typer.Option(help="As ccxt calls it; otherwise the instrument's venue.")] = None,
    start: Annotated[
        dt.datetime | None, typer.Option(help="First open time, UTC; otherwise behind what the catalog holds.")
    ] = None,
    end: Annotated[dt.datetime | None, typer.Option(help="UTC, exclusive; otherwise now.")] = None,
    catalog: Catalog = DEFAULT,
    as_json: Json = False,
) -> None:
    """Fetch history from an exchange; interrupted, it goes on the next time; a part is fetched twice and compared."""
    from catalogs.download import download, open_exchange

    if (bar is None) == (kind == "bars"):
        rule = "be given for bars" if kind == "bars" else "be left out for funding"
        raise UsageError(broken("--bar", rule, bar, remedy="write --bar 1-HOUR"))
    if bar is not None:
        checked_bar(bar)
    name = exchange or instrument.rpartition(".")[2].lower()
    opened = open_exchange(name, instrument)
    span = [None if moment is None else to_ns(moment) for moment in (start, end)]
    with progress(f"downloading {instrument}", 0) as advance:
        report = download(catalog, opened, instrument, bar, span[0], span[1], kind, say=advance)
    document = msgspec.to_builtins(report)
    flat = {key: value for key, value in document.items() if key != "imported"} | document["imported"]

    def show() -> None:
        again = f", {report.resumed:,} from before" if report.resumed else ""
        fetched = f"{report.fetched:,} rows fetched{again}, {report.verified:,} fetched twice and equal"
        out.print(f"{report.symbol} on {report.exchange}: {fetched}", markup=False)
        show_import(report.imported, report.symbol)

    emit(flat, as_json, show)


@app.command("check")
def check_(catalog: Catalog = DEFAULT, as_json: Json = False) -> None:
    """Check the data and say what a run does about each finding; exit code 3 when a run would refuse."""
    with progress("checking", len(read_manifest(catalog).datasets)) as advance:
        quality = check(catalog, stage=lambda text: advance(1, text))
    emit({**msgspec.to_builtins(quality), "passed": quality.passed}, as_json, lambda: show_quality(quality))
    if not quality.passed:
        count = sum(finding.severity == "refuse" for finding in quality.findings)
        raise CheckFailed(
            broken("catalog", "hold data that a run accepts", f"refused by {count} findings", str(catalog))
        )


@app.command("list")
def list_(catalog: Catalog = DEFAULT, as_json: Json = False) -> None:
    """List the datasets of a catalog."""
    manifest = read_manifest(catalog)
    document = {"catalog": str(catalog), "datasets": as_documents(manifest.datasets)}
    document["instruments"] = msgspec.to_builtins(manifest.instruments)
    emit(document, as_json, lambda: show_datasets(manifest.datasets))


@app.command("synth")
def synth(
    market: Annotated[str, typer.Argument(help=f"One of {', '.join(MARKETS)}.")],
    bars: Annotated[int, typer.Option(help="Number of bars.")] = 17_520,
    seed: Annotated[int, typer.Option(help="The same seed makes the same market.")] = 1,
    bar: Annotated[str, typer.Option(help="Length of a bar.")] = "1-HOUR",
    instrument: Annotated[
        list[str] | None, typer.Option(help="Store it under this id; twice for leadlag, the leader first.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace another market of this id.")] = False,
    catalog: Catalog = DEFAULT,
    as_json: Json = False,
) -> None:
    """Make a synthetic market whose truth is known."""
    markets = synthesise(market, bars, seed, bar)
    ids = instrument or [one.instrument_id for one in markets]
    manifest = store_markets(catalog, markets, ids, overwrite)
    datasets = datasets_of(manifest, ids, bar)
    specs = [spec for spec in manifest.instruments if spec.instrument_id in ids]
    first = datasets[0]
    document: dict[str, Any] = {
        name: getattr(first, name) for name in ("rows", "start", "end", "gaps", "missing", "sha256")
    }
    document |= {
        "market": market,
        "seed": seed,
        "bar": bar,
        "catalog": str(catalog),
        "datasets": as_documents(datasets),
    }
    document |= {"instruments": msgspec.to_builtins(specs), "truth": [f"truth/{one}.parquet" for one in ids]}
    document["parameters"] = markets[0].parameters
    emit(document, as_json, lambda: show_market(document, datasets, specs))


def show_import(report: ImportReport, name: str) -> None:
    """Print what an import did."""
    what = f"{report.bar} bars" if report.bar else report.kind
    spec = report.instruments[0]
    done = f"{report.added:,} rows added" if report.added or report.replaced else "nothing new"
    counts = {"skipped (already there)": report.skipped, "replaced": report.replaced, "sorted": report.sorted}
    counts |= {"duplicates dropped": report.duplicates, "prices rounded": report.rounded}
    notes = [f"{n:,} {text}" for text, n in counts.items() if n]
    out.print(f"{name} (read as {report.layout}): {', '.join([done, *notes])}", markup=False)
    out.print(f"{spec.instrument_id} {what} in {report.catalog}", markup=False)
    out.print(f"  {report.rows:,} rows, {report.start} to {report.end}", markup=False)
    out.print(f"  {gaps_text(report.gaps, report.missing)}", markup=False)
    out.print(f"  sha256 {report.sha256}", markup=False)
    show_terms([spec])


def gaps_text(gaps: int, missing: int) -> str:
    """Gaps in words."""
    return f"{gaps:,} gaps, {missing:,} missing (kept as gaps; huracan data check lists them)" if gaps else "no gaps"


def show_terms(specs: list[InstrumentSpec]) -> None:
    """Print the terms of instruments."""
    for spec in specs:
        terms = (
            f"tick {spec.tick:g}, lot {spec.lot:g} {spec.base}, orders of {spec.min_notional:g} {spec.quote} or more"
        )
        out.print(f"  {spec.instrument_id} ({spec.kind}): {terms}", markup=False)


def show_market(document: dict[str, Any], datasets: list[Dataset], specs: list[InstrumentSpec]) -> None:
    """Print what was synthesised."""
    out.print(f"{document['market']} market, seed {document['seed']}, in {document['catalog']}", markup=False)
    for one in datasets:
        out.print(f"{one.instrument_id} {one.bar} bars", markup=False)
        out.print(f"  {one.rows:,} rows, {one.start} to {one.end}, sha256 {one.sha256}", markup=False)
    show_terms(specs)
    out.print(f"  truth: {', '.join(document['truth'])}", markup=False)


def show_datasets(datasets: list[Dataset]) -> None:
    """Print datasets as a table."""
    if not datasets:
        out.print("no datasets")
        return
    rows = [
        (one.instrument_id, one.bar or one.kind, f"{one.rows:,}", one.start[:10], one.end[:10], one.gaps, one.missing)
        for one in datasets
    ]
    table(("instrument", "data", "rows", "from", "to", "gaps", "missing"), rows)


def show_quality(quality: Quality, most: int = 12) -> None:
    """Print findings by kind, the first few of each."""
    out.print(f"{quality.datasets} datasets, {quality.rows:,} rows checked against the manifest", markup=False)
    groups: dict[tuple[str, str, str, str], list[Finding]] = {}
    for one in quality.findings:
        groups.setdefault((one.severity, one.instrument_id, one.bar or one.kind, one.check), []).append(one)
    for (severity, instrument_id, what, name), found in groups.items():
        total = sum(one.length for one in found)
        count = f"{len(found)} found" + (f", {total:,} in all" if total > len(found) else "")
        out.print(f"\n{severity}: {name.replace('_', ' ')} in {instrument_id} {what}: {count}", markup=False)
        out.print(f"  {found[0].effect}", markup=False)
        largest = sorted(sorted(found, key=lambda one: -one.length)[:most], key=lambda one: one.start)
        for one in largest:
            out.print(f"  {one.start}  {one.detail}", markup=False)
        if len(found) > most:
            out.print(f"  and {len(found) - most} more; --json lists all", markup=False)
    counts = {name: sum(one.severity == name for one in quality.findings) for name in ("refuse", "warning", "note")}
    verdict = "a run accepts this data" if quality.passed else "a run refuses this data"
    out.print(
        f"\n{counts['refuse']} refuse, {counts['warning']} warnings, {counts['note']} notes: {verdict}", markup=False
    )
