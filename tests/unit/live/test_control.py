"""Latches and the word of a session to other processes."""

from pathlib import Path

import pytest

from engine.contract.errors import CheckFailed, UsageError
from engine.contract.live import Live
from live.control import clear_latch, latch_of, read_latch, refuse_latched, set_latch


def test_latch_is_per_account_and_a_rehearsal_is_another_account() -> None:
    names = [latch_of(Live(market=market, rehearsal=rehearsal), Path("r/runs")).as_posix()  # type: ignore[arg-type]
             for market in ("spot", "usdm") for rehearsal in (True, False)]  # fmt: skip
    assert names == [
        "r/halts/binance-spot-rehearsal.json",
        "r/halts/binance-spot.json",
        "r/halts/binance-usdm-rehearsal.json",
        "r/halts/binance-usdm.json",
    ]


def test_first_latch_stays_and_refuses_a_start(tmp_path: Path) -> None:
    path = tmp_path / "halts" / "a.json"
    set_latch(path, "ann", "drill")
    assert str(set_latch(path, "bob", "again")) == "stopped by ann: drill"
    with pytest.raises(CheckFailed, match="account must not be halted, was stopped by ann: drill"):
        refuse_latched(path)


def test_latch_that_cannot_be_read_is_latched(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{")
    halted = read_latch(path)
    assert halted is not None
    assert "cannot be read" in str(halted)


def test_latch_is_only_taken_away_by_somebody_who_signs(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    set_latch(path, "ann", "drill")
    with pytest.raises(UsageError, match="reset must be signed by a person"):
        clear_latch(path, " ")
    assert clear_latch(path, "bob").by == "ann"
    refuse_latched(path)
    with pytest.raises(UsageError, match="reset must name what is halted, was nothing"):
        clear_latch(path, "bob")
