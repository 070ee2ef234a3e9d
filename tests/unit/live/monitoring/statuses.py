"""A status to start from, and one field or two changed."""

from pathlib import Path
from typing import Any

import msgspec

from engine.journal.run import MANIFEST, write_json
from live.monitoring.parts import (
    BreakerStatus,
    CountStatus,
    DecisionStatus,
    GapStatus,
    LatencyStatus,
    LimitStatus,
    PositionStatus,
    StreamStatus,
)
from live.monitoring.status import Status, write_status

NOW_NS = 1_700_000_000_000_000_000
SEC_NS = 1_000_000_000
COIN = "BTCUSDT.BINANCE"

HEALTHY = Status(
    run_id="paper-btc-0001",
    mode="live",
    seen="running",
    phase="trading",
    pid=1,
    started_ticks=0,
    wall_ns=NOW_NS,
    started_ns=NOW_NS - 3_600 * SEC_NS,
    event_ns=NOW_NS,
    turn_ns=NOW_NS,
    exchange="binance",
    market="spot",
    rehearsal=False,
    strategy="policy",
    policy="trend@2",
    policy_digest="ab",
    policy_until_ns=NOW_NS,
    policy_expires_ns=None,
    code_version="1",
    bar="1-MINUTE",
    instruments=[COIN],
    currency="USDT",
    equity=99_000.0,
    cash=98_900.0,
    start_equity=100_000.0,
    peak_equity=100_000.0,
    day_equity=99_500.0,
    day_pnl=-500.0,
    drawdown_frac=0.01,
    gross_frac=0.1,
    net_frac=0.1,
    positions=[
        PositionStatus(
            instrument_id=COIN,
            quantity=0.25,
            entry_price=39_600.0,
            mark=40_000.0,
            notional=10_000.0,
            unrealised=100.0,
            exposure_frac=0.1,
            bars_held=3,
        )
    ],
    orders=[],
    decisions=[
        DecisionStatus(
            instrument_id=COIN,
            ts_event=NOW_NS,
            raw_action=0.5,
            action=0.5,
            confidence=0.7,
            target_exposure=0.4,
            budget=20_000.0,
            gate="approved",
            order_key="7:BTCUSDT.BINANCE",
            observation_sha="0123",
            context={"regime": {"crisis": 0.1}},
            missing=[],
        )
    ],
    limits=[LimitStatus(name="max_gross_frac", scope="account", value=0.1, bound=1.0, headroom=0.9)],
    breakers=[
        BreakerStatus(
            control="drawdown",
            scope="account",
            state="armed",
            limit=0.15,
            value=None,
            since_ns=None,
            meaning="loss from the peak",
            unit="fraction",
            release="person",
        )
    ],
    breaker_state="armed",
    latch=None,
    halted="",
    streams=[
        StreamStatus(kind="quote", instrument_id=COIN, received=10, age_secs=1.0, ts_event=NOW_NS),
        StreamStatus(kind="bar", instrument_id=COIN, received=2, age_secs=30.0, ts_event=NOW_NS),
    ],
    gaps=GapStatus(),
    latencies=[LatencyStatus(name="decision to order", last_ms=2.0, p50_ms=2.0, p99_ms=5.0, worst_ms=6.0, n=9)],
    counts=CountStatus(turns=10, decisions=10, orders=5, refused=1, fills=5),
    memory_bytes=400_000_000,
)


def changed(**fields: Any) -> Status:
    """Return the healthy status with other values."""
    return msgspec.structs.replace(HEALTHY, **fields)


def put(folder: Path, status: Status) -> Path:
    """Write a status into the folder of an unfinished run, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / MANIFEST, {"run_id": status.run_id})
    write_status(folder, status)
    return folder
