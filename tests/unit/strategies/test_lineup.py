"""The line-up in the event loop: swaps, shadow, canary, and candidates that are wrong, each against the run without them."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.contract.calendar import to_ns
from engine.contract.config import Config, parse
from engine.contract.errors import ConfigError
from engine.journal.resumed import ResumedJournal
from engine.journal.state import decode, encode
from engine.journal.store import Store, StoredJournal
from engine.policy.admission import seat_of
from engine.policy.history import History
from engine.policy.session import PolicySession
from strategies.backtest import Outcome, load, run
from strategies.policy.lineup import Lineup
from tests.conftest import SAMPLE
from tests.policies import altered, clone

START = dt.datetime(2021, 5, 1, tzinfo=dt.UTC)
BARS = 120


class Policies(NamedTuple):
    """Folders: the champion, its twin, its opposite, and one that answers what is no number."""

    champion: Path
    twin: Path
    opposite: Path
    broken: Path


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Policies:
    root = tmp_path_factory.mktemp("policies")
    return Policies(
        clone(root, "2"), clone(root, "3"), altered(clone(root, "4"), "Neg"), altered(clone(root, "5"), "Sqrt")
    )


def at(bars: int) -> dt.datetime:
    return START + dt.timedelta(hours=bars)


@pytest.fixture(scope="module")
def traded(policies: Policies) -> Callable[..., Outcome]:
    known: dict[int, Outcome] = {}

    def go(lifecycle: dict[str, Any] | None = None, bars: int = BARS) -> Outcome:
        if lifecycle is None and bars in known:
            return known[bars]
        config = configuration(policies, lifecycle, bars)
        outcome = run(config, *load(config))
        if lifecycle is None:
            known[bars] = outcome
        return outcome

    return go


def configuration(policies: Policies, lifecycle: dict[str, Any] | None, bars: int = BARS) -> Config:
    document: dict[str, Any] = {
        "data": {"catalog": str(SAMPLE), "start": START, "end": at(bars)},
        "universe": {"instruments": ["TRENDUSDT.SIM"]},
        "strategy": {"name": "policy"},
        "policy": {"path": str(policies.champion)},
        "limits": {"max_position_frac": 0.5},
    }
    return parse(document | ({} if lifecycle is None else {"lifecycle": lifecycle}))


def lineup_of(outcome: Outcome) -> Lineup:
    found = outcome.strategy.lineup  # type: ignore[attr-defined]
    assert isinstance(found, Lineup)
    return found


def event(bars: int, kind: str, policy: Path | None = None, **more: Any) -> dict[str, Any]:
    return {"at": at(bars), "event": kind, **({} if policy is None else {"policy": str(policy)}), **more}


def test_swaps_lose_no_event_and_change_nothing_but_the_version(
    policies: Policies, traded: Callable[..., Outcome]
) -> None:
    places = [policies.twin, policies.champion]
    swapped = traded({"events": [event(k, "promote", places[(k // 20 - 1) % 2]) for k in range(20, BARS, 20)]})
    alone = traded()
    assert [entry.version for entry in swapped.journal][18:22] == ["2", "3", "3", "3"]
    assert [entry._replace(version="2") for entry in swapped.journal] == alone.journal.entries
    assert (swapped.events, swapped.blotter.fills) == (alone.events, alone.blotter.fills)
    assert len(lineup_of(swapped).notes) == 5


def test_shadow_is_journaled_apart_and_leaves_the_decisions_as_they_are(
    policies: Policies, traded: Callable[..., Outcome]
) -> None:
    outcome = traded({"events": [event(10, "shadow", policies.opposite)]})
    assert outcome.journal.decisions_sha256 == traded().journal.decisions_sha256
    found = lineup_of(outcome)
    rows = list(found.shadow)
    assert len(rows) == BARS - 9
    assert {(row.version, row.gate, row.order_key) for row in rows} == {("4", "shadow", "")}
    assert found.trial is not None
    equity = outcome.blotter.equity_table()["equity"].to_pylist()[-1]
    assert found.trial.champion.equity == pytest.approx(equity, rel=1e-4)
    assert abs(found.trial.candidate.equity / equity - 1.0) > 1e-3


def test_canary_decides_its_share_and_no_more(policies: Policies, traded: Callable[..., Outcome]) -> None:
    events = [event(10, "canary", policies.opposite, share=0.2), event(60, "rollback")]
    outcome = traded({"max_share": 0.2, "events": events})
    rows = [entry for entry in outcome.journal if entry.version == "2+0.2*4"]
    assert len(rows) == 50
    shadow = list(lineup_of(outcome).shadow)
    own = [row.target_exposure for row in shadow if row.gate == "champion"]
    other = [row.target_exposure for row in shadow if row.gate == "canary"]
    assert len(own) == len(other) == len(rows)
    moved = 0
    for row, left, right in zip(rows, own, other):
        if row.gate != "hold":
            assert row.target_exposure == pytest.approx(0.8 * left + 0.2 * right, abs=1e-12)
            moved += 1
    assert moved > 30
    assert json.loads(rows[-1].context)["canary"]["share"] == 0.2
    assert outcome.journal.entries[-1].version == "2"


@pytest.mark.slow
def test_bad_canary_is_rolled_back_by_the_test_with_its_figures(
    policies: Policies, traded: Callable[..., Outcome]
) -> None:
    outcome = traded({"effect": 0.1, "events": [event(10, "canary", policies.opposite)]}, 1_500)
    begun, ended = lineup_of(outcome).notes
    assert (begun.event, ended.event, ended.by, ended.policy) == ("canary", "rollback", "rule", "trend@4")
    assert ended.evidence["worse"] >= 20.0
    assert outcome.journal.entries[-1].version == "2"


def test_canary_that_falls_behind_by_too_much_is_rolled_back(
    policies: Policies, traded: Callable[..., Outcome]
) -> None:
    terms = {"max_shortfall_frac": 0.001, "least_decisions": 1}
    outcome = traded({**terms, "events": [event(10, "canary", policies.opposite)]})
    begun, ended = lineup_of(outcome).notes
    assert (begun.event, ended.event, ended.by, ended.policy) == ("canary", "rollback", "rule", "trend@4")
    assert ended.why.startswith("shortfall 0.00")
    assert ended.evidence["candidate_equity"] <= 0.999 * ended.evidence["champion_equity"]
    assert outcome.journal.entries[-1].version == "2"


def test_canary_that_is_not_behind_is_promoted_by_rule(policies: Policies, traded: Callable[..., Outcome]) -> None:
    outcome = traded({"promote_after": 60, "events": [event(10, "canary", policies.twin)]})
    promoted = lineup_of(outcome).notes[-1]
    assert (promoted.event, promoted.by, promoted.evidence["pairs"]) == ("promote", "rule", 60.0)
    assert outcome.journal.entries[-1].version == "3"


@pytest.mark.parametrize(
    ("which", "message"),
    [("broken", "answer must be finite numbers, was target nan"), ("tampered", "CARD.md digest must be")],
)
def test_candidate_that_is_wrong_leaves_the_champion_trading(
    which: str, message: str, policies: Policies, traded: Callable[..., Outcome], tmp_path: Path
) -> None:
    folder = policies.broken
    if which == "tampered":
        folder = clone(tmp_path, "6")
        (folder / "CARD.md").write_text("better")
    outcome = traded({"events": [event(20, "shadow", folder)]})
    last = lineup_of(outcome).notes[-1]
    assert (last.event, message in last.why) == ("rollback" if which == "broken" else "refused", True)
    assert outcome.journal.decisions_sha256 == traded().journal.decisions_sha256


def test_candidate_that_expired_in_event_time_is_refused(
    policies: Policies, traded: Callable[..., Outcome], tmp_path: Path
) -> None:
    seat = seat_of(PolicySession(policies.twin), to_ns(at(50)))
    History("trend", tmp_path).append("candidate", seat, "retrain", "")
    events = [event(40, "shadow", policies.twin), event(60, "canary", policies.twin)]
    outcome = traded({"registry": str(tmp_path), "events": events})
    first, second = lineup_of(outcome).notes
    assert (first.event, second.event) == ("shadow", "refused")
    assert "policy must be used before 2021-05-03T02:00:00Z, was 2021-05-03T12:00:00Z" in second.why


def test_line_up_gone_on_with_from_its_state_has_the_same_places_and_evidence(
    policies: Policies, traded: Callable[..., Outcome]
) -> None:
    lifecycle = {"events": [event(10, "canary", policies.opposite)]}
    outcome = traded(lifecycle, 60)
    config = configuration(policies, lifecycle, 60)
    assert config.lifecycle is not None
    again = Lineup(config.lifecycle, PolicySession(policies.champion), config.venue, ["TRENDUSDT.SIM"])
    kept = encode(lineup_of(outcome).state())
    again.restore(decode(kept), outcome.strategy.account)
    assert encode(again.state()) == kept
    assert again.version == "2+0.1*4"


def test_run_without_a_line_up_takes_no_assignment(traded: Callable[..., Outcome]) -> None:
    with pytest.raises(ConfigError, match=r"run must have a \[lifecycle\] to change its policy"):
        traded().strategy.assign(None, "", "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"strategy": {"name": "cash"}, "lifecycle": {}},
            r"strategy.name must be policy where there is a \[lifecycle\]",
        ),
        ({"lifecycle": {"events": [event(1, "shadow")]}}, r"lifecycle.events\[0\].policy must be named for shadow"),
        (
            {"lifecycle": {"events": [event(2, "rollback"), event(1, "rollback")]}},
            r"lifecycle.events\[1\].at must be at or after",
        ),
        (
            {"lifecycle": {"events": [event(1, "canary", Path("x"), share=0.3)]}},
            r"events\[0\].share must be at most lifecycle.max_share 0.1, was 0.3",
        ),
    ],
)
def test_section_that_contradicts_itself_is_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse({"universe": {"instruments": ["TRENDUSDT.SIM"]}, **sections})


class Copying(StoredJournal):
    """Copies its store at the end of one turn, as a kill would leave it there."""

    def __init__(self, store: Store, ts_event: int, path: Path) -> None:
        super().__init__(store)
        self._at, self._path = ts_event, path

    def end_turn(self, ts_event: int, components: Any) -> None:
        super().end_turn(ts_event, components)
        if ts_event == self._at:
            for left in self.store.path.parent.glob(f"{self.store.path.name}*"):
                shutil.copy(left, self._path.parent / left.name.replace(self.store.path.name, self._path.name))


def test_run_that_was_killed_beside_a_canary_goes_on_with_its_places_and_its_test(
    policies: Policies, tmp_path: Path
) -> None:
    lifecycle = {"events": [event(10, "canary", policies.opposite), event(60, "promote", policies.twin)]}
    config = configuration(policies, lifecycle, 80)
    market, session = load(config)
    with Store(tmp_path / "whole.sqlite") as store:
        whole = run(config, market, session, journal=Copying(store, to_ns(at(50)), tmp_path / "killed.sqlite"))
        expected = (store.decisions_sha256, encode(lineup_of(whole).state()))
    with Store(tmp_path / "killed.sqlite") as store:
        assert 40 < len(store) < 60
        again = run(config, market, session, journal=ResumedJournal(store))
        assert (store.decisions_sha256, encode(lineup_of(again).state())) == expected
