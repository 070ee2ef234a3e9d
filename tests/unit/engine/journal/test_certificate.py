"""Certificate: bytes without a date, an alteration that is found, and staleness that names both values."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.contract.errors import DataError
from engine.evaluation.proven import proven
from engine.journal.certificate import (
    Certificate,
    Hashes,
    Identity,
    adopt,
    encode,
    identity_of_run,
    place,
    read_certificate,
    stale,
)
from engine.journal.run import CERTIFICATE, MANIFEST, write_json

HASHES = Hashes("d" * 64, "f" * 64, "0" * 64, "e" * 64, "b" * 64)
IDENTITY = Identity(
    code_version="1+src.aaaaaaaaaaaa",
    config_sha256="c" * 64,
    policy="trend@2",
    policy_digest="9" * 64,
    inference={"intra_op_threads": 1},
    datasets={"BTCUSDT.BINANCE 1-HOUR": "7" * 64},
)
CERTIFIED = Certificate(
    proof="exchange",
    pace="deterministic",
    passed=True,
    identity=IDENTITY,
    was=HASHES,
    became=HASHES,
    figures={"decisions": 20_160, "fills": 412, "orders": 413, "breaker": 2, "account": 10_080},
    differences={},
    first_difference=None,
    distributions=[],
    not_exercised=["a liquidation"],
)


def manifest(**changed: Any) -> dict[str, Any]:
    document = msgspec.to_builtins(IDENTITY) | {"run_id": "btc-0001", "mode": "backtest", "decisions_sha256": "d" * 64}
    return {key: value for key, value in document.items() if key != "tape_sha256"} | changed


def run_folder(root: Path, **changed: Any) -> Path:
    folder = root / "btc-0001"
    folder.mkdir(parents=True)
    write_json(folder / MANIFEST, manifest(**changed))
    return folder


def test_certificate_comes_back_as_it_was_and_is_the_same_bytes_twice(tmp_path: Path) -> None:
    path = tmp_path / CERTIFICATE
    path.write_bytes(encode(CERTIFIED))
    assert read_certificate(path) == CERTIFIED
    assert encode(read_certificate(path)) == path.read_bytes()


def test_altered_certificate_is_refused(tmp_path: Path) -> None:
    path = tmp_path / CERTIFICATE
    path.write_bytes(encode(CERTIFIED).replace(b'"decisions": 20160', b'"decisions": 99999'))
    with pytest.raises(DataError, match="certificate must have digest"):
        read_certificate(path)


def test_absent_certificate_names_the_command_that_writes_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="huracan verify parity CONFIG"):
        read_certificate(tmp_path / CERTIFICATE)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, []),
        ({"code_version": "1+src.bbbbbbbbbbbb"}, ["code_version was 1+src.aaaaaaaaaaaa, is 1+src.bbbbbbbbbbbb"]),
        ({"config_sha256": "8" * 64}, ["config_sha256 was cccccccccccc, is 888888888888"]),
        ({"policy_digest": None}, ["policy_digest was 999999999999, is absent"]),
        (
            {"inference": {"intra_op_threads": 4}},
            ["inference was {'intra_op_threads': 1}, is {'intra_op_threads': 4}"],
        ),
        (
            {"datasets": {"BTCUSDT.BINANCE 1-HOUR": "6" * 64}},
            ["data of BTCUSDT.BINANCE 1-HOUR was 777777777777, is 666666666666"],
        ),
        ({"datasets": {}}, []),
    ],
    ids=["nothing", "code", "configuration", "policy", "threads", "data", "data of a session, which are on its tape"],
)
def test_certificate_is_stale_where_something_changed_and_says_from_what_to_what(
    changed: dict[str, Any], said: list[str]
) -> None:
    assert stale(CERTIFIED, identity_of_run(manifest(**changed))) == said


def test_certificate_is_put_into_the_runs_that_it_holds_for(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    folder = run_folder(root)
    assert place(CERTIFIED, "btc", root) == [tmp_path / "parity" / "btc.json", folder / CERTIFICATE]
    assert read_certificate(folder / CERTIFICATE) == CERTIFIED


def test_run_of_other_decisions_takes_no_certificate(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    folder = run_folder(root, decisions_sha256="a" * 64)
    assert place(CERTIFIED, "btc", root) == [tmp_path / "parity" / "btc.json"]
    assert not adopt(folder, root)


def test_certificate_of_a_real_time_pace_replaces_none_and_goes_into_no_run(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    folder = run_folder(root)
    place(CERTIFIED, "btc", root)
    sampled = msgspec.structs.replace(CERTIFIED, pace="real_time")
    assert place(sampled, "btc", root) == [tmp_path / "parity" / "btc.real_time.json"]
    assert read_certificate(folder / CERTIFICATE) == CERTIFIED


def test_damaged_certificate_beside_the_runs_keeps_no_run_from_being_written(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "runs")
    (tmp_path / "parity").mkdir()
    (tmp_path / "parity" / "btc.json").write_text("{}")
    assert not adopt(folder, tmp_path / "runs")


def test_report_says_certified_not_verified_stale_failed_and_altered(tmp_path: Path) -> None:
    folder, path = tmp_path, tmp_path / CERTIFICATE
    assert proven(folder, manifest()) == "not verified: huracan verify parity CONFIG"
    assert proven(folder, manifest(mode="live")) == "not verified: huracan verify parity --recorded RUN"
    path.write_bytes(encode(CERTIFIED))
    said = proven(folder, manifest())
    assert said.startswith(f"certified <code>{CERTIFIED.digest[:12]}</code>")
    assert "20,160 decisions and 412 fills equal" in said
    assert said.endswith("not exercised: a liquidation")
    assert "stale" in proven(folder, manifest(code_version="2"))
    assert "decisions hash was dddddddddddd, is aaaaaaaaaaaa" in proven(folder, manifest(decisions_sha256="a" * 64))
    first = {"row": 3, "ts_event": "T", "instrument_id": "B", "field": "fee", "was": 5.0, "became": 6.0}
    failed = msgspec.structs.replace(CERTIFIED, passed=False, first_difference=first)
    path.write_bytes(encode(failed))
    assert "row 3, T, B, fee: was 5.0, became 6.0" in proven(folder, manifest())
    path.write_bytes(encode(failed).replace(b"6.0", b"5.0"))
    assert "must have digest" in proven(folder, manifest())
