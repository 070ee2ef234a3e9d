"""Every fault alone, some seeded combinations, and planted defects that the drill must find; scripts/rehearse_faults.py runs 200 seeds."""

import asyncio
from pathlib import Path

import pytest

from live.adapter.core import orders
from live.adapter.core.ledger import Ledger
from live.adapter.core.outcomes import Outcome
from live.adapter.drill_ground import make_catalog, make_config
from live.adapter.fault_drill import NAMES, Drilled, drill, names_of

AT_ONCE = 4
SEEDS = range(1, 25)
DEFAULT_FAULTS = ("drop after accept", "user stream mute")


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Path:
    return make_catalog(tmp_path_factory.mktemp("faults") / "catalog")


def drilled(catalog: Path, plans: list[tuple[str, tuple[str, ...], int]]) -> list[Drilled]:
    """Run drills, some at once: they mostly wait."""

    async def main() -> list[Drilled]:
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(market: str, names: tuple[str, ...], seed: int) -> Drilled:
            async with turns:
                return await drill(make_config(catalog, market, funding=False), market, names, seed)

        return list(await asyncio.gather(*(one(*plan) for plan in plans)))

    return asyncio.run(main())


def problems(found: list[Drilled]) -> list[str]:
    return [f"{one.market} {one.faults} seed {one.seed}: {problem}" for one in found for problem in one.problems]


def test_lost_answer_and_mute_stream_end_with_the_venues_truth(catalog):
    found = drilled(catalog, [(market, (name,), 0) for market in ("spot", "usdm") for name in DEFAULT_FAULTS])
    assert problems(found) == []
    assert sum(one.unknown for one in found) > 0
    assert all(one.fills > 0 for one in found)


@pytest.mark.slow
@pytest.mark.parametrize("market", ["spot", "usdm"])
def test_every_fault_alone_strikes_and_ends_with_the_venues_truth(catalog, market):
    found = drilled(catalog, [(market, (name,), 0) for name in NAMES])
    assert problems(found) == []
    silent = [one.faults for one in found if not one.struck and one.faults != ("killed",)]
    assert silent == []


@pytest.mark.slow
def test_seeded_combinations_end_with_the_venues_truth(catalog):
    found = drilled(catalog, [(("spot", "usdm")[seed % 2], names_of(seed), seed) for seed in SEEDS])
    assert problems(found) == []


@pytest.mark.slow
def test_drill_finds_an_adapter_that_sends_again_after_a_lost_answer(catalog, monkeypatch):
    arguments = orders.arguments

    def eager(order):
        *rest, params = arguments(order)
        return (*rest, {**params, "maxRetriesOnFailure": 2})

    monkeypatch.setattr(orders, "arguments", eager)
    found = drilled(catalog, [("usdm", ("drop after accept",), seed) for seed in range(4)])
    assert any("duplicate order" in problem for problem in problems(found))


@pytest.mark.slow
def test_drill_finds_an_adapter_that_calls_a_lost_answer_a_rejection(catalog, monkeypatch):
    monkeypatch.setattr(orders, "outcome_of", lambda error: Outcome.REFUSED)
    found = drilled(catalog, [("usdm", ("truncate after accept",), seed) for seed in range(4)])
    assert any("refused order lives" in problem or "lost fill" in problem for problem in problems(found))


@pytest.mark.slow
def test_drill_finds_a_ledger_that_tells_a_trade_twice(catalog, monkeypatch):
    hear = Ledger.hear_trade

    def forgetful(self, trade):
        self._seen.discard((trade["symbol"], str(trade["id"])))
        return hear(self, trade)

    monkeypatch.setattr(Ledger, "hear_trade", forgetful)
    found = drilled(catalog, [("usdm", ("duplicate trade", "user stream dropped"), seed) for seed in range(4)])
    assert any("fill told twice" in problem for problem in problems(found))
