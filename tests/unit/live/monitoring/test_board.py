"""What the board of a session counts by itself."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from engine.contract.config import parse
from engine.contract.messages import Turn
from engine.journal.journal import Entry, Journal
from live.monitoring.board import Board, Origin
from live.monitoring.risk_rows import armed_rows, breaker_rows, limit_rows

HOUR_NS = 3_600 * 1_000_000_000
ROW = (1.0, 1.0, 1.0, 1.0, 1.0)
CONFIG = parse({"universe": {"instruments": ["A.V", "B.V"]}, "strategy": {"name": "trend"}})


def board(tmp_path: Path, journal: Journal) -> Board:
    strategy = SimpleNamespace(mandate=SimpleNamespace(breaker=None))
    assembly: Any = SimpleNamespace(journal=journal, strategy=strategy)
    return Board(Origin("paper-0001", "paper", tmp_path, tmp_path / "halt.json", CONFIG, None), assembly)


def entry(ts_event: int, gate: str) -> Entry:
    return Entry(ts_event, "A.V", 0, "rule", "", "", "{}", 0.0, 0.0, 1.0, 0.0, 1.0, "{}", gate, "", "")


def test_missing_bars_and_skipped_turns_are_counted_and_the_last_is_named(tmp_path: Path) -> None:
    found = board(tmp_path, Journal())
    for hour, rows in ((1, (ROW, ROW)), (2, (ROW, None)), (5, (ROW, ROW)), (6, (ROW, ROW))):
        found.decided(Turn(hour * HOUR_NS, hour, rows, True))
    gaps = found._gaps
    assert (gaps.missing_bars, gaps.skipped_turns) == (1, 2)
    assert (gaps.last_ns, gaps.last_instruments) == (5 * HOUR_NS, [])


def test_refusals_of_this_turn_are_counted_once(tmp_path: Path) -> None:
    journal = Journal()
    found = board(tmp_path, journal)
    for hour, gate in ((1, "refused: drawdown 0.2 over 0.1"), (2, "hold"), (3, "refused: heartbeat 2 over 1")):
        journal.append(entry(hour * HOUR_NS, gate))
        found.decided(Turn(hour * HOUR_NS, hour, (ROW, None), True))
    found.decided(Turn(4 * HOUR_NS, 4, (None, ROW), True))
    assert found._refused == 2


def test_limits_have_the_value_that_leaves_their_headroom_and_account_limits_stand_once_and_first() -> None:
    left = {name: {"max_position_frac": 0.04, "max_gross_frac": 0.5} for name in ("A.V", "B.V")}
    rows = [
        (one.name, one.scope, round(one.value or 0.0, 9), one.bound) for one in limit_rows(left, CONFIG.limits, None)
    ]
    assert rows == [
        ("max_gross_frac", "account", 0.5, 1.0),
        ("max_position_frac", "A.V", 0.06, 0.1),
        ("max_position_frac", "B.V", 0.06, 0.1),
    ]


def test_breaker_that_tripped_replaces_its_armed_row() -> None:
    from engine.contract.config import Limits
    from engine.risk.breaker import Breaker
    from engine.risk.breaker_settings import BreakerSettings

    breaker = Breaker(["A.V"], BreakerSettings().resolved(Limits()), HOUR_NS)
    armed = armed_rows(breaker)
    assert {one.state for one in armed} == {"armed"}
    breaker.stop(HOUR_NS, "me", "a drill")
    rows = breaker_rows(breaker, breaker.standing(HOUR_NS), armed)
    assert [(one.control, one.state, one.since_ns) for one in rows if one.control == "manual"] == [
        ("manual", "halt", HOUR_NS)
    ]
    assert len(rows) == len(armed)
