"""The registry: places, the chained history, admission with its refusals, promotion and rollback."""

from pathlib import Path

import msgspec
import pytest

from engine.contract.errors import DataError, UsageError
from engine.policy.admission import admit, seat_of
from engine.policy.assignment import Assignment, Refused, Seat, change
from engine.policy.history import ASSIGNMENT, HISTORY, History, names
from engine.policy.manifest import GOLDEN, digests, read, write
from engine.policy.promotion import place, roll_back
from engine.policy.session import PolicySession
from tests.policies import altered, clone, unchecked

A, B, C = (Seat(f"trend@{version}", f"digest-{version}", "", "contract") for version in "123")


def test_candidate_passes_shadow_and_canary_to_champion_and_back() -> None:
    now = change(Assignment(), "promote", A)
    now = change(now, "shadow", B)
    assert (now.champion, now.candidate, now.stage, now.share) == (A, B, "shadow", 0.0)
    now = change(now, "canary", B, 0.2)
    assert (now.stage, now.share, now.role("trend@2"), now.role("trend@1")) == ("canary", 0.2, "canary", "champion")
    now = change(now, "promote", B)
    assert (now.champion, now.candidate, now.former) == (B, None, (A,))
    now = change(now, "rollback")
    assert (now.champion, now.former) == (A, ())


def test_rollback_takes_the_candidate_before_the_champion() -> None:
    now = change(change(change(Assignment(), "promote", A), "promote", B), "canary", C, 0.1)
    assert change(now, "rollback") == Assignment(B, former=(A,))
    assert change(now, "rollback", B) == Assignment(A, C, "canary", 0.1)


@pytest.mark.parametrize(
    ("before", "event", "seat", "message"),
    [
        (Assignment(), "shadow", A, "candidate must have a champion beside it, was none"),
        (Assignment(A), "canary", A, "candidate must be another policy than the champion, was trend@1"),
        (Assignment(A), "promote", A, "promotion must name another policy than the champion, was trend@1"),
        (Assignment(A), "rollback", None, "rollback must have a champion to go back to, was none"),
        (Assignment(A, B, "shadow"), "rollback", C, "rollback must name one of trend@1, trend@2, was trend@3"),
    ],
)
def test_change_that_does_not_fit_is_refused(before: Assignment, event: str, seat: Seat | None, message: str) -> None:
    with pytest.raises(Refused, match=message):
        change(before, event, seat)  # type: ignore[arg-type]


def test_history_comes_to_the_assignment_and_names_who_did_it(tmp_path: Path) -> None:
    history = History("trend", tmp_path)
    history.append("promote", A, "ann", "first")
    history.append("candidate", B, "retrain", "new data", {"key": "k"})
    after = history.append("canary", B, "ann", "looks well", share=0.1)
    history.append("refused", C, "rule", "expired")
    assert after == history.assignment == Assignment(A, B, "canary", 0.1)
    now = history.current()
    assert now is not None
    assert (now.assignment, now.by, now.why, now.rows) == (after, "ann", "looks well", 4)
    assert now.head == history.rows()[-1].chain
    assert names(tmp_path) == ["trend"]


def test_history_with_an_altered_row_is_refused(tmp_path: Path) -> None:
    history = History("trend", tmp_path)
    history.append("promote", A, "ann", "first")
    history.append("promote", B, "bob", "second")
    path = tmp_path / "trend" / HISTORY
    path.write_text(path.read_text().replace("bob", "eve"))
    with pytest.raises(DataError, match="row 1 of the history must have chain"):
        history.rows()


def test_history_without_its_last_row_is_noticed_by_the_assignment_head(tmp_path: Path) -> None:
    history = History("trend", tmp_path)
    history.append("promote", A, "ann", "first")
    history.append("promote", B, "bob", "second")
    path = tmp_path / "trend" / HISTORY
    path.write_text(path.read_text().splitlines()[0] + "\n")
    now = history.current()
    assert now is not None
    assert now.head != history.rows()[-1].chain
    assert history.repair() == Assignment(A)


def test_refused_change_leaves_the_history_as_it_was(tmp_path: Path) -> None:
    history = History("trend", tmp_path)
    with pytest.raises(Refused, match="have a champion beside it"):
        history.append("canary", B, "ann", "", share=0.1)
    assert (history.rows(), history.current()) == ([], None)


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Seat:
    return seat_of(PolicySession(clone(tmp_path_factory.mktemp("champion"), "2")))


def test_equal_policy_is_admitted(tmp_path: Path, champion: Seat) -> None:
    assert admit(clone(tmp_path, "3"), champion, expires_ns=10, now_ns=9).name == "trend@3"


def test_tampered_policy_is_refused_with_both_digests(tmp_path: Path, champion: Seat) -> None:
    folder = clone(tmp_path, "3")
    wanted = read(folder).files["CARD.md"]
    (folder / "CARD.md").write_text("better than it is")
    with pytest.raises(Refused, match=rf"CARD.md digest must be {wanted[:12]}, was {digests(folder)['CARD.md'][:12]}"):
        admit(folder, champion)


def test_policy_that_was_made_again_under_its_version_is_refused(tmp_path: Path, champion: Seat) -> None:
    folder = clone(tmp_path, "3")
    before = read(folder).digest
    write(folder, msgspec.structs.replace(read(folder), code_version="other"))
    after = read(folder).digest
    with pytest.raises(Refused, match=f"policy digest must be {before[:12]}, as registered, was {after[:12]}"):
        admit(folder, champion, digest=before)


def test_policy_of_another_contract_is_refused_with_both_digests(tmp_path: Path, champion: Seat) -> None:
    other = msgspec.structs.replace(champion, contract="f" * 64)
    with pytest.raises(Refused, match=rf"contract digest must be ffffffffffff, .*, was {champion.contract[:12]}"):
        admit(clone(tmp_path, "3"), other)


def test_expired_policy_is_refused_with_both_times(tmp_path: Path, champion: Seat) -> None:
    with pytest.raises(Refused, match="used before 1970-01-01T00:00:10Z, was 1970-01-01T00:00:11Z"):
        admit(clone(tmp_path, "3"), champion, expires_ns=10 * 10**9, now_ns=11 * 10**9)


def test_collapsed_policy_is_refused(tmp_path: Path, champion: Seat) -> None:
    folder = clone(tmp_path, "3", evaluation={"degenerate": ["turnover 0 under 0.1"]})
    with pytest.raises(Refused, match=r"policy must not have collapsed, was turnover 0 under 0\.1"):
        admit(folder, champion)


def test_policy_whose_golden_vectors_do_not_reproduce_is_refused(tmp_path: Path, champion: Seat) -> None:
    folder = clone(tmp_path, "3")
    golden = (folder / GOLDEN).read_bytes()
    altered(folder, "Neg")
    (folder / GOLDEN).write_bytes(golden)
    write(folder, msgspec.structs.replace(unchecked(folder), files=digests(folder)))
    with pytest.raises(Refused, match="golden action must reproduce within"):
        admit(folder, champion)


def test_promotion_notes_the_stages_that_were_not_passed(tmp_path: Path) -> None:
    one, two = clone(tmp_path, "2"), clone(tmp_path, "3")
    root = tmp_path / "registry"
    history, now = place("promote", str(one), "ann", "first", root=root)
    assert history.rows()[-1].evidence["stages_skipped"] == []
    place("shadow", str(two), "ann", "try", root=root)
    history, now = place("promote", str(two), "ann", "hurry", root=root)
    assert history.rows()[-1].evidence["stages_skipped"] == ["canary"]
    assert now.champion is not None
    assert now.champion.policy == "trend@3"
    _, now = roll_back("trend", "ann", "worse", root=root)
    assert now.champion is not None
    assert now.champion.policy == "trend@2"
    assert (root / "trend" / ASSIGNMENT).is_file()


def test_refusal_is_a_row_of_the_history(tmp_path: Path) -> None:
    one, two = clone(tmp_path, "2"), clone(tmp_path, "3")
    root = tmp_path / "registry"
    place("promote", str(one), "ann", "", root=root)
    (two / "CARD.md").write_text("x")
    with pytest.raises(Refused):
        place("canary", str(two), "bob", "", share=0.1, root=root)
    row = History("trend", root).rows()[-1]
    assert (row.event, row.by, "CARD.md digest" in row.why) == ("refused", "bob", True)


def test_share_beyond_a_half_and_name_without_history_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--share must be above 0 and at most 0\.5, was 0\.6"):
        place("canary", "trend@2", "ann", "", share=0.6, root=tmp_path)
    with pytest.raises(UsageError, match="policy must be one with a champion: none, was trend"):
        roll_back("trend", "ann", "", root=tmp_path)
