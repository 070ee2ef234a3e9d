"""`huracan data`, as a user runs it: what it prints, where, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.cli import main

START = 1_640_995_200_000_000_000
HOUR = 3_600_000_000_000
BITCOIN = Path(__file__).parents[3] / "shared" / "data" / "BINANCE.BTCUSDT.1h.parquet"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        code = main(["data", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return command


@pytest.fixture
def bars(tmp_path: Path) -> pd.DataFrame:
    """Six hours of bars."""
    opening = 100.0 + np.arange(6)
    columns = {"open": opening, "high": opening + 2, "low": opening - 1, "close": opening + 1, "volume": 5.0}
    return pd.DataFrame({"ts": START + HOUR * np.arange(6), **columns})


def document(text: str) -> Any:
    """The one JSON document of a command's stdout."""
    assert text.count("\n") == 1
    return json.loads(text)


def test_import_of_bitcoin_prints_the_promised_keys_and_figures(run: Run) -> None:
    if not BITCOIN.is_file():
        pytest.skip("needs ../shared/data/BINANCE.BTCUSDT.1h.parquet")
    arguments = ("import", str(BITCOIN), "--instrument", "BTCUSDT.BINANCE", "--bar", "1-HOUR", "--json")
    code, out, _ = run(*arguments)
    report = document(out)
    assert code == 0
    assert (report["rows"], report["gaps"], report["missing"], report["added"]) == (52_462, 27, 122, 52_462)
    assert (report["start"], report["end"]) == ("2018-01-01T00:00:00Z", "2024-01-01T00:00:00Z")
    assert report["instruments"][0]["instrument_id"] == "BTCUSDT.BINANCE"
    assert report["catalog"] == "var/catalogs/main"
    again = document(run(*arguments)[1])
    assert (again["rows"], again["added"], again["sha256"]) == (52_462, 0, report["sha256"])


def test_import_for_a_person_tells_rows_gaps_and_terms(run: Run, bars: pd.DataFrame) -> None:
    bars.drop(index=[2]).to_csv("a.csv", index=False)
    code, out, _ = run("import", "a.csv", "--instrument", "BTCUSDT.BINANCE", "--bar", "1-HOUR")
    assert code == 0
    for words in ("5 rows added", "1 gaps, 1 missing", "tick 1, lot 0.001 BTC", "var/catalogs/main"):
        assert words in out


def test_synth_lists_and_checks_clean(run: Run) -> None:
    code, out, _ = run("synth", "leadlag", "--bars", "600", "--seed", "3", "--json")
    made = document(out)
    assert code == 0
    assert (made["rows"], made["start"], made["gaps"]) == (600, "2020-01-01T00:00:00Z", 0)
    assert [one["instrument_id"] for one in made["instruments"]] == ["LAGUSDT.SIM", "LEADUSDT.SIM"]
    assert Path("var/catalogs/main", made["truth"][0]).is_file()
    listed = document(run("list", "--json")[1])
    assert [one["rows"] for one in listed["datasets"]] == [600, 600]
    code, out, _ = run("check", "--json")
    assert (code, document(out)["passed"]) == (0, True)
    for command in (("list",), ("check",)):
        assert run(*command)[0] == 0


def test_same_seed_in_two_catalogs_has_the_same_hash(run: Run) -> None:
    hashes = [
        document(run("synth", "trend", "--bars", "500", "--catalog", name, "--json")[1])["sha256"] for name in "ab"
    ]
    assert hashes[0] == hashes[1]


def test_check_of_gaps_is_done_and_of_altered_files_fails(run: Run, bars: pd.DataFrame) -> None:
    bars.drop(index=[2]).to_parquet("a.parquet")
    run("import", "a.parquet", "--instrument", "BTCUSDT.BINANCE", "--bar", "1-HOUR")
    code, out, _ = run("check")
    assert code == 0
    assert "no bar is invented" in out
    assert "a run accepts this data" in out
    file = next(Path("var/catalogs/main/data/bars").rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-50])
    code, out, err = run("check", "--json")
    assert (code, document(out)["passed"]) == (3, False)
    assert err.startswith("huracan data: catalog must hold data that a run accepts, was refused by 1 findings")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("import", "no.parquet", "--instrument", "BTCUSDT.BINANCE", "--bar", "1-HOUR"), "file must exist"),
        (
            ("import", "nan.parquet", "--instrument", "BTCUSDT.BINANCE", "--bar", "1-HOUR"),
            "close must be a finite number",
        ),
        (
            ("import", "wrong.parquet", "--instrument", "BTCUSDT.BINANCE", "--bar", "1-HOUR"),
            "column close must be present",
        ),
        (("import", "good.parquet", "--instrument", "BTC", "--bar", "1-HOUR"), "instrument must be SYMBOL.VENUE"),
        (("import", "good.parquet", "--instrument", "BTCUSDT.BINANCE"), "--bar must be given for bars"),
        (("import", "good.parquet", "--bar", "1-HOUR"), "--instrument"),
        (("import", "good.parquet", "--instrument", "BTCUSDT.BINANCE", "--colour", "red"), "--colour"),
        (("import", "good.parquet", "--instrument", "BTCUSDT.BINANCE", "--on-conflict", "maybe"), "--on-conflict"),
        (("synth", "moon"), "market must be one of"),
        (("synth", "null", "--bars", "many"), "--bars"),
        (("list",), "catalog must be an existing folder"),
        (("check", "--catalog", "nowhere"), "catalog must be an existing folder"),
        (("fetch",), "fetch"),
    ],
)
def test_a_mistake_gets_one_line_exit_code_2_and_leaves_nothing(
    run: Run, bars: pd.DataFrame, arguments: tuple[str, ...], message: str
) -> None:
    bars.to_parquet("good.parquet")
    bars.assign(close=np.nan).to_parquet("nan.parquet")
    bars.rename(columns={"close": "closing"}).to_parquet("wrong.parquet")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("huracan data: ")
    assert message in err
    assert not Path("var/catalogs/main").exists()


def test_a_refused_import_leaves_the_catalog_as_it_was(run: Run, bars: pd.DataFrame) -> None:
    bars.to_parquet("a.parquet")
    run("import", "a.parquet", "--instrument", "BTCUSDT.BINANCE", "--bar", "1-HOUR")
    before = {path: path.read_bytes() for path in Path("var").rglob("*") if path.is_file()}
    bars.assign(close=100.5, low=50.0).to_parquet("b.parquet")
    code, _, err = run("import", "b.parquet", "--instrument", "BTCUSDT.BINANCE", "--bar", "1-HOUR")
    assert (code, err.count("\n")) == (2, 1)
    assert {path: path.read_bytes() for path in Path("var").rglob("*") if path.is_file()} == before


def test_help_lists_the_commands(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    assert all(name in out for name in ("import", "check", "list", "synth"))
