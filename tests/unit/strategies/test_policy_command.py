"""`huracan policy`: promotion and rollback as commands, refusals with exit code 3."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main
from engine.contract.config import parse
from engine.policy.registry import resolve
from engine.policy.session import PolicySession
from strategies.assembly import pinned
from tests.policies import clone


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for version in ("7", "8"):
        clone(Path("var/policies"), version)
    return tmp_path


def called(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main(["policy", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_policy_goes_through_the_stages_to_champion_and_back(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = called(capsys, "promote", "trend@7", "--by", "ann", "--why", "first")
    expected = {"name": "trend", "version": "7", "path": "var/policies/trend/7", "role": "champion", "expires": None}
    assert first["policies"] == [expected]
    called(capsys, "shadow", "trend@8", "--expires", "2099-01-01")
    canary = called(capsys, "canary", "trend@8", "--share", "0.2")
    assert (canary["policies"][1]["role"], canary["share"]) == ("canary", 0.2)
    assert canary["policies"][1]["expires"] == "2099-01-01T00:00:00Z"
    assert resolve("trend") == Path("var/policies/trend/7")
    called(capsys, "promote", "trend@8")
    assert resolve("trend") == Path("var/policies/trend/8")
    listed = {row["path"]: row["role"] for row in called(capsys, "list")["policies"]}
    assert (listed["var/policies/trend/8"], listed["var/policies/trend/7"]) == ("champion", "")
    back = called(capsys, "rollback", "trend", "--why", "worse")
    assert back["policies"][0]["version"] == "7"
    rows = called(capsys, "history", "trend")["history"]
    assert [row["event"] for row in rows] == ["promote", "shadow", "canary", "promote", "rollback"]
    assert (rows[0]["by"], rows[-1]["why"]) == ("ann", "worse")


@pytest.mark.parametrize(
    ("words", "message", "code"),
    [
        (["promote", "trend-minute@1", "--of", "trend"], "contract digest must be", 3),
        (["shadow", "trend@8", "--expires", "2001-01-01"], "policy must be used before 2001-01-01T00:00:00Z", 3),
        (["rollback", "trend@8"], "rollback must name one of trend@7, was trend@8", 3),
        (["promote", "trend@9"], "policy must be a policy folder or one of", 2),
        (["shadow", "trend@8", "--expires", "soon"], "--expires must be a day", 2),
        (["history", "nobody"], "policy must have a history, was nobody", 2),
    ],
)
def test_policy_that_may_not_take_the_place_is_refused(
    words: list[str], message: str, code: int, there: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    called(capsys, "promote", "trend@7")
    assert main(["policy", *words]) == code
    assert message in " ".join(capsys.readouterr().err.split())


def test_tampered_policy_is_refused_with_both_digests(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("var/policies/trend/8/CARD.md").write_text("x")
    assert main(["policy", "promote", "trend@8"]) == 3
    assert "CARD.md digest must be" in " ".join(capsys.readouterr().err.split())


def test_run_of_a_name_is_pinned_to_the_version_that_it_means_now(there: Path) -> None:
    session = PolicySession(resolve("trend@7"))
    config = parse({"universe": {"instruments": ["TRENDUSDT.SIM"]}, "policy": {"path": "trend"}})
    found = pinned(config, session)
    assert found.policy is not None
    assert found.policy.path == "trend@7"
    exact = parse({"universe": {"instruments": ["TRENDUSDT.SIM"]}, "policy": {"path": "trend@7"}})
    assert pinned(exact, session) is exact
    assert pinned(config, None) is config
