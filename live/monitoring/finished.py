"""The status of a run that nobody writes any more, from the files it left: what it had when it ended."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from engine.contract.config import Config, load
from engine.contract.errors import DataError, HuracanError, broken
from engine.journal import run as files
from engine.risk.breaker_anchors import NS_PER_DAY
from engine.risk.breaker_controls import BY_NAME
from live.control import HALT, read_latch
from live.monitoring.board import decision_row
from live.monitoring.ended_journal import read_ended
from live.monitoring.parts import BreakerStatus, CountStatus, GapStatus, LatchStatus, LimitStatus, PositionStatus
from live.monitoring.status import Status

Rows = list[dict[str, Any]]


def status_of_finished(folder: Path) -> Status:
    """Return the status of a finished run, or of one that was cut short before it wrote any.

    Limits are those of [limits] at the last turn; streams, latencies and memory are not kept beyond the process.

    Raises
    ------
    DataError
        A file of the run cannot be read.
    """
    unfinished = folder.name.endswith(files.UNFINISHED)
    manifest = files.read_json(folder / files.MANIFEST)
    try:
        config = load(folder / files.CONFIG)
    except HuracanError as error:
        raise DataError(broken("run's configuration", "be readable", error, str(folder))) from error
    ended = read_ended(folder)
    curve = _curve(folder)
    positions, equity = _positions(config, folder, curve), float(curve["equity"][-1]) if curve else None
    start = float(curve["equity"][0]) if curve else config.venue.starting_balance
    peak = float(np.max(curve["equity"])) if curve else start
    day = _day_equity(curve) if curve else start
    rejected = _rejected(folder / files.ORDERS)
    net = sum(one.notional for one in positions)
    gross = sum(abs(one.notional) for one in positions)
    turn_ns = int(curve["ts_event"][-1]) if curve else max((entry.ts_event for entry in ended.last), default=0)
    latch = read_latch(folder / HALT)
    breakers = _breakers(folder)
    return Status(
        run_id=str(manifest["run_id"]),
        mode=str(manifest["mode"]),
        seen="gone" if unfinished else "ended",
        phase="starting" if unfinished else "ended",
        pid=0,
        started_ticks=0,
        wall_ns=(folder / files.MANIFEST).stat().st_mtime_ns,
        started_ns=0,
        event_ns=turn_ns,
        turn_ns=turn_ns,
        exchange=str(manifest.get("exchange", config.live.exchange)),
        market=str(manifest.get("market", config.live.market)),
        rehearsal=bool(manifest.get("rehearsal", True)),
        strategy=str(manifest["strategy"]),
        policy=manifest["policy"],
        policy_digest=manifest["policy_digest"],
        policy_until_ns=None,
        policy_expires_ns=None,
        code_version=str(manifest["code_version"]),
        bar=config.universe.bar,
        instruments=list(config.universe.instruments),
        currency=config.venue.currency,
        equity=equity,
        cash=float(curve["balance"][-1]) if curve else None,
        start_equity=start,
        peak_equity=peak,
        day_equity=day,
        day_pnl=None if equity is None else equity - day,
        drawdown_frac=None if equity is None or peak <= 0.0 else 1.0 - equity / peak,
        gross_frac=gross / equity if equity else None,
        net_frac=net / equity if equity else None,
        positions=positions,
        orders=[],
        decisions=[decision_row(entry) for entry in ended.last],
        limits=_limits(config, positions, equity, gross, peak, day),
        breakers=breakers,
        breaker_state=_strongest(config, breakers),
        latch=None if latch is None else LatchStatus(by=latch.by, reason=latch.reason, ts_ns=latch.ts_ns),
        halted="halted" if manifest.get("halted") else "",
        streams=[],
        gaps=GapStatus(missing_bars=ended.missing_bars),
        latencies=[],
        counts=CountStatus(
            turns=ended.turns,
            decisions=ended.decisions,
            orders=_count(folder / files.ORDERS),
            refused=ended.refused,
            rejected=rejected,
            fills=_count(folder / files.FILLS),
        ),
        memory_bytes=0,
        stopped=str(manifest.get("stopped", "")),
    )


def _count(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows) if path.is_file() else 0


def _rejected(path: Path) -> int:
    """Orders that the engine denied or the venue rejected."""
    if not path.is_file():
        return 0
    status = pq.read_table(path, columns=["status"])["status"].to_pylist()
    return sum(str(one).startswith(("denied", "rejected", "refused")) for one in status)


def _curve(folder: Path) -> dict[str, Any]:
    path = folder / files.EQUITY
    if not path.is_file():
        return {}
    table = pq.read_table(path)
    return {name: table[name].to_numpy() for name in table.column_names} if len(table) else {}


def _table(path: Path) -> Rows:
    return pq.read_table(path).to_pylist() if path.is_file() else []


def _day_equity(curve: dict[str, Any]) -> float:
    days = curve["ts_event"] // NS_PER_DAY
    return float(curve["equity"][int(np.argmax(days == days[-1]))])


def _positions(config: Config, folder: Path, curve: dict[str, Any]) -> list[PositionStatus]:
    held: dict[str, float] = {}
    entries: dict[str, float] = {}
    for name, signed, price in _signed_fills(folder / files.FILLS):
        before = held.get(name, 0.0)
        after = before + signed
        if abs(after) < 1e-12 * max(1.0, abs(before)):
            after = 0.0
        if before * signed >= 0.0:
            cost = entries.get(name, 0.0) * abs(before) + price * abs(signed)
            entries[name] = cost / abs(after) if after else 0.0
        elif before * after < 0.0:
            entries[name] = price
        held[name] = after
    equity = float(curve["equity"][-1]) if curve else 0.0
    rows = []
    for name in config.universe.instruments:
        quantity = held.get(name, float(curve[f"quantity:{name}"][-1]) if curve else 0.0)
        mark = float(curve[f"close:{name}"][-1]) if curve else None
        entry = entries.get(name) if quantity else None
        notional = quantity * (mark or 0.0)
        rows.append(
            PositionStatus(
                instrument_id=name,
                quantity=quantity,
                entry_price=entry,
                mark=mark,
                notional=notional,
                unrealised=0.0 if entry is None or mark is None else quantity * (mark - entry),
                exposure_frac=notional / equity if equity else None,
                bars_held=0,
            )
        )
    return rows


def _signed_fills(path: Path) -> Iterator[tuple[str, float, float]]:
    """Yield instrument, signed quantity and price of each fill."""
    if path.is_file():
        table = pq.read_table(path, columns=["instrument_id", "side", "quantity", "price"])
        for name, side, quantity, price in zip(*(table[column].to_pylist() for column in table.column_names)):
            yield name, side * quantity, price


def _limits(
    config: Config, positions: list[PositionStatus], equity: float | None, gross: float, peak: float, day: float
) -> list[LimitStatus]:
    limits = config.limits
    if equity is None or not equity > 0.0:
        return []
    values = [
        ("max_position_frac", one.instrument_id, abs(one.notional) / equity, limits.max_position_frac)
        for one in positions
    ]
    values.append(("max_gross_frac", "account", gross / equity, limits.max_gross_frac))
    for name, value, bound in (
        ("max_drawdown_frac", 1.0 - equity / peak, limits.max_drawdown_frac),
        ("daily_loss_frac", 1.0 - equity / day, limits.daily_loss_frac),
    ):
        if bound is not None:
            values.append((name, "account", value, bound))
    return [
        LimitStatus(name=name, scope=scope, value=value, bound=bound, headroom=bound - value)
        for name, scope, value, bound in values
    ]


def _breakers(folder: Path) -> list[BreakerStatus]:
    """What was tripped and neither released nor reset at the end."""
    standing: dict[tuple[str, str], dict[str, Any]] = {}
    for row in _table(folder / files.BREAKER):
        key = (row["control"], row["scope"])
        standing.pop(key, None)
        if row["kind"] == "tripped":
            standing[key] = row
    return [
        BreakerStatus(
            control=row["control"],
            scope=row["scope"],
            state=row["action"],
            limit=row["limit"],
            value=row["value"],
            since_ns=row["tripped_ns"],
            meaning=BY_NAME[row["control"]].meaning,
            unit=BY_NAME[row["control"]].unit,
            release=BY_NAME[row["control"]].release,
        )
        for row in standing.values()
    ]


def _strongest(config: Config, rows: list[BreakerStatus]) -> Any:
    if config.actors.breaker is None or not config.actors.breaker.get("enabled", True):
        return "off"
    states = {row.state for row in rows}
    return next((state for state in ("halt", "reduce") if state in states), "armed")
