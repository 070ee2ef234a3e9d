"""Backups: whole, verified, of a run that is being written too; and the way back."""

from pathlib import Path

import pytest

from engine.contract.errors import CheckFailed, UsageError
from engine.journal.journal import Entry
from engine.journal.run import CONFIG, JOURNAL, MANIFEST, STORE, read_json, write_json
from engine.journal.store import Store
from live.backing_up import LABEL, back_up, prune, restore
from live.commands.keep import command_of, cut_short
from live.monitoring.status import STATUS

NOW_NS = 1_700_000_000_000_000_000
HOUR_NS = 3_600 * 1_000_000_000


def entry(seq: int) -> Entry:
    return Entry(seq, "A.B", seq, "rule", "", "", "{}", 0.5, 0.5, 1.0, 0.5, 100.0, "{}", "hold", "", "")


def unfinished(runs: Path, name: str = "paper-0001", mode: str = "paper") -> Path:
    folder = runs / f".{name}.partial"
    folder.mkdir(parents=True)
    write_json(folder / MANIFEST, {"run_id": name, "mode": mode})
    (folder / STATUS).write_text("{}")
    (folder / "received.jsonl").write_text("[1]\n[2]\n")
    return folder


def test_backup_of_a_run_that_is_being_written_holds_what_was_committed(tmp_path: Path) -> None:
    folder = unfinished(tmp_path / "runs")
    with Store(folder / STORE) as store:
        for seq in range(3):
            store.append(entry(seq))
            store.end_turn(seq)
        head = store.decisions_sha256
        store.append(entry(3))
        made, label = back_up(folder, tmp_path / "kept", NOW_NS)
        store.end_turn(3)
    assert (made, label.unfinished, label.decisions, label.decisions_sha256) == (
        tmp_path / "kept" / "paper-0001" / "2023-11-14T221320Z",
        True,
        3,
        head,
    )
    assert sorted(path.name for path in made.iterdir()) == [LABEL, STORE, MANIFEST, "received.jsonl"]


def test_backup_that_was_restored_is_the_run_again(tmp_path: Path) -> None:
    folder = unfinished(tmp_path / "runs")
    with Store(folder / STORE) as store:
        store.append(entry(0))
        store.end_turn(0)
        made, label = back_up(folder, tmp_path / "kept", NOW_NS)
    back = restore(made, tmp_path / "other")
    assert back == tmp_path / "other" / ".paper-0001.partial"
    with Store(back / STORE) as store:
        assert (len(store), store.decisions_sha256) == (1, label.decisions_sha256)
        store.append(entry(1))
    assert (back / "received.jsonl").read_text() == "[1]\n[2]\n"


def test_finished_run_is_backed_up_and_restored_with_its_journal(tmp_path: Path, sample_run: Path) -> None:
    made, label = back_up(sample_run, tmp_path / "kept", NOW_NS)
    manifest = read_json(sample_run / MANIFEST)
    assert (label.unfinished, label.decisions_sha256) == (False, manifest["decisions_sha256"])
    back = restore(made, tmp_path / "runs")
    assert back == tmp_path / "runs" / sample_run.name
    assert (back / JOURNAL).read_bytes() == (sample_run / JOURNAL).read_bytes()


def test_restoring_over_a_run_is_refused(tmp_path: Path, sample_run: Path) -> None:
    made, _ = back_up(sample_run, tmp_path / "kept", NOW_NS)
    with pytest.raises(UsageError, match=f"run {sample_run.name} must be absent, was "):
        restore(made, sample_run.parent)


def test_backup_that_was_altered_is_not_restored(tmp_path: Path) -> None:
    made, _ = back_up(unfinished(tmp_path / "runs"), tmp_path / "kept", NOW_NS)
    (made / "received.jsonl").write_text("[1]\n[3]\n")
    with pytest.raises(CheckFailed, match=r"received\.jsonl of the backup must have digest"):
        restore(made, tmp_path / "other")
    assert list((tmp_path / "other").glob("*0001*")) == []


def test_store_with_an_altered_row_is_not_backed_up(tmp_path: Path) -> None:
    import sqlite3

    folder = unfinished(tmp_path / "runs")
    with Store(folder / STORE) as store:
        store.append(entry(0))
    database = sqlite3.connect(folder / STORE)
    database.execute("UPDATE decisions SET action = 0.75")
    database.commit()
    database.close()
    with pytest.raises(CheckFailed, match="backup must hold an unbroken journal, was journal row 0 must have chain"):
        back_up(folder, tmp_path / "kept", NOW_NS)
    assert list((tmp_path / "kept" / "paper-0001").iterdir()) == []


def test_oldest_backups_beyond_those_to_keep_are_removed(tmp_path: Path) -> None:
    folder = unfinished(tmp_path / "runs")
    made = [back_up(folder, tmp_path / "kept", NOW_NS + hour * HOUR_NS)[0] for hour in range(4)]
    assert prune(tmp_path / "kept", "paper-0001", 3) == made[:1]
    assert [path.is_dir() for path in made] == [False, True, True, True]


def test_service_goes_on_with_the_run_that_was_cut_short_and_starts_one_otherwise(
    tmp_path: Path, sample_run: Path
) -> None:
    runs, config = tmp_path / "runs", sample_run / CONFIG
    assert command_of("paper", config, runs) == ["paper", str(config)]
    assert command_of("live", config, runs) == ["live", str(config), "--yes"]
    unfinished(runs, "small-0001")
    unfinished(runs, "small-0002", "live")
    unfinished(runs, "small-other-0003")
    assert command_of("paper", config, runs) == ["paper", "--resume", "small-0001"]
    assert command_of("live", config, runs) == ["live", "--resume", "small-0002", "--yes"]
    assert cut_short("other", "paper", runs) is None
    with pytest.raises(UsageError, match="mode must be paper or live, was backtest"):
        command_of("backtest", config, runs)
