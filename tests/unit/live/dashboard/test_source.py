"""One reader of a run for all pages, and the list of runs."""

import asyncio
import gc
import shutil
import time
from pathlib import Path

import pytest

from engine.contract.errors import UsageError
from live.dashboard.acting import WrongToken, act
from live.dashboard.guarding import Guard
from live.dashboard.listing import Lister
from live.dashboard.source import LOOK_SECS, Hub, Source, Watched
from live.steering import read_controls

TOKEN = "the right token of this test"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, sample_run: Path) -> Path:
    folder = tmp_path_factory.mktemp("dashboard") / "runs"
    shutil.copytree(sample_run, folder / sample_run.name)
    gc.collect()  # What the engine made may only be dropped in its own thread; tests after this one have others.
    return folder


@pytest.fixture(scope="module")
def source(runs: Path) -> Source:
    return Watched(runs / "small-0001").source


def test_finished_run_is_read_whole(source: Source) -> None:
    assert (source.running, source.status.seen, source.status.mode) == (False, "ended", "backtest")
    record = source.record
    assert len(record.decisions) == len(record.gates) == len(record.contexts) == source.status.counts.decisions
    assert (len(record.turns), len(record.fills)) == (source.status.counts.turns, source.status.counts.fills)
    assert record.turns["equity"][-1] == source.status.equity
    assert source.metrics["metrics"]["trades"] > 0


def test_pages_that_look_often_do_not_keep_each_other_from_seeing_what_is_new(runs: Path) -> None:
    hub, watched = Hub(runs), Watched(runs / "small-0001")
    looks: list[float] = []
    watched.look = lambda: looks.append(time.monotonic())  # type: ignore[method-assign]
    hub._watched["small-0001"] = watched

    async def play() -> None:
        began = hub._looked["small-0001"] = time.monotonic()
        while time.monotonic() - began < 4 * LOOK_SECS:
            await hub.fresh("small-0001")
            await asyncio.sleep(LOOK_SECS / 8)

    asyncio.run(play())
    assert 2 <= len(looks) <= 4


@pytest.mark.parametrize("name", ["small", "other-0001", "../small-0001", ".small-0001.partial", ""])
def test_run_is_found_by_its_whole_id_within_the_folder_alone(runs: Path, name: str) -> None:
    with pytest.raises(UsageError):
        Hub(runs).find(name)


def test_list_has_key_figures_and_leaves_out_what_cannot_be_read(runs: Path) -> None:
    broken = runs / "broken-0001"
    broken.mkdir(exist_ok=True)
    (broken / "manifest.json").write_text("{")
    lister = Lister(runs)
    (one,) = lister.ended()
    assert (one.run_id, one.mode, one.decides, one.span) == (
        "small-0001",
        "backtest",
        "trend",
        "2021-01-01 – 2021-03-01",
    )
    assert one.sharpe is not None
    assert lister.going() == []


@pytest.mark.parametrize(
    ("token", "deed", "error", "told"),
    [
        ("wrong", "halt", WrongToken, None),
        (TOKEN, "halt", UsageError, "run small-0001 must be going on, was ended"),
        (TOKEN, "clear_latch", UsageError, "run small-0001 must be live: no other latches an account, was backtest"),
    ],
)
def test_control_of_a_finished_run_is_refused(source: Source, token: str, deed, error, told) -> None:
    with pytest.raises(error, match=told):
        act(source, Guard(TOKEN), token, "here", deed, "account", "ann", "drill")
    assert read_controls(source.folder) == []
