"""A trial: a candidate beside the champion, each in a sleeve of its own, and the paired test of what they earned."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.config import Venue
from engine.contract.errors import PolicyError, broken
from engine.contract.lifecycle import Lifecycle
from engine.contract.messages import Turn
from engine.evaluation.sequential import PairedTest
from engine.execution.sleeve import Sleeve
from engine.execution.tracker import AccountTracker
from engine.policy.assignment import Seat, Stage
from engine.policy.window import BarWindow
from strategies.base import Choice
from strategies.policy.pilot import Pilot

Floats = NDArray[np.float64]
Bound = Callable[[Choice, Floats], Choice]
"""What signals make of a choice, given the exposure that it was made at."""

BPS = 1e-4
ALIGN = 0.05
"""Where both hold, the account is left alone unless it is further than this from what the sleeves come to, fraction of the budget."""


class Trial:
    """A candidate that is tried.

    Parameters
    ----------
    seat, pilot
        Of the candidate.
    stage, share
        Shadow, or canary with its share of the budget.
    account
        The real one, which both sleeves begin as.
    venue
        Its fees and half-spread.
    terms
        Of the test.

    Attributes
    ----------
    champion, candidate
        Their sleeves.
    test
        The paired test.
    """

    def __init__(
        self,
        seat: Seat,
        pilot: Pilot,
        stage: Stage,
        share: float,
        account: AccountTracker,
        venue: Venue,
        terms: Lifecycle,
    ) -> None:
        self.seat, self.pilot, self.stage, self.share = seat, pilot, stage, share
        costs = (venue.taker_bps * BPS, venue.half_spread_bps * BPS)
        self.champion, self.candidate = Sleeve(account, *costs), Sleeve(account, *costs)
        self.test = PairedTest(terms.effect)
        self._terms = terms

    def hear(self, turn: Turn) -> None:
        """Fill and mark both sleeves."""
        self.champion.hear(turn.rows)
        self.candidate.hear(turn.rows)

    def decide_at(self, ts_event: int) -> None:
        """Advance both sleeves to a decision, and pair what they earned."""
        self.champion.decide_at(ts_event)
        self.candidate.decide_at(ts_event)
        self.test.update(self.candidate.earned, self.champion.earned)

    def verdict(self) -> tuple[str, str] | None:
        """Return `rollback` or `promote` with the reason; None while the trial goes on. In shadow only an empty sleeve ends it."""
        test, terms = self.test, self._terms
        if self.candidate.equity <= 0.0 or self.champion.equity <= 0.0:
            return "rollback", f"a sleeve must hold something, was {self.candidate.equity:.6g}"
        if self.stage == "shadow" or test.pairs < terms.least_decisions:
            return None
        bound = 1.0 / terms.alpha
        if test.worse >= bound:
            return "rollback", f"evidence that it is worse {test.worse:.4g} reached {bound:g} after {test.pairs} pairs"
        shortfall = 1.0 - self.candidate.equity / self.champion.equity
        if terms.max_shortfall_frac is not None and shortfall >= terms.max_shortfall_frac:
            return "rollback", f"shortfall {shortfall:.4g} reached {terms.max_shortfall_frac:g}"
        if terms.promote_after is None:
            return None
        if test.better >= bound:
            return "promote", f"evidence that it is better {test.better:.4g} reached {bound:g} after {test.pairs} pairs"
        if test.pairs >= terms.promote_after and test.total >= 0.0:
            return "promote", f"not behind after {test.pairs} pairs, mean difference {test.mean:.3g}"
        return None

    def follow(self, choices: Sequence[Choice], exposure: Floats, bounded: Bound, budget_frac: Floats) -> None:
        """Let the champion's sleeve want what the champion wants of the real account; a hold there is a hold here."""
        budget = budget_frac * self.champion.account.equity
        own = self.champion.exposure(budget)
        for choice in choices:
            index, wanted = choice.instrument, bounded(choice, exposure)
            held = wanted.target_exposure == exposure[index]
            target = float(own[index]) if held else wanted.target_exposure
            self.champion.order(index, target, float(own[index]), float(budget[index]))

    def lead(
        self,
        pilot: Pilot,
        sleeve: Sleeve,
        turn: Turn,
        window: BarWindow,
        ready: Sequence[int],
        bounded: Bound,
        budget_frac: Floats,
    ) -> tuple[list[Choice], Floats]:
        """Let a policy decide for a sleeve; return its choices, and the exposures that they were made at.

        Raises
        ------
        PolicyError
            The graph failed, or answered what is not a number.
        """
        budget = budget_frac * sleeve.account.equity
        exposure = sleeve.exposure(budget)
        choices = [
            bounded(choice, exposure) for choice in pilot.choose(turn, window, sleeve.account, budget, exposure, ready)
        ]
        for choice in choices:
            if not (math.isfinite(choice.target_exposure) and math.isfinite(choice.confidence)):
                value = f"target {choice.target_exposure}, confidence {choice.confidence}"
                raise PolicyError(broken("answer", "be finite numbers", value, pilot.session.name))
            index = choice.instrument
            sleeve.order(index, choice.target_exposure, float(exposure[index]), float(budget[index]))
        return choices, exposure

    def mix(
        self,
        champion: Sequence[Choice],
        candidate: Sequence[Choice],
        at: tuple[Floats, Floats],
        exposure: Floats,
    ) -> list[Choice]:
        """Join two policies' choices to what the account is to hold: (1 - share) of the one and share of the other.

        Parameters
        ----------
        at
            Exposures of the champion's and of the candidate's sleeve.
        exposure : float64 (instruments,)
            Of the account.
        """
        found = []
        for one, other in zip(champion, candidate):
            index = one.instrument
            target = (1.0 - self.share) * one.target_exposure + self.share * other.target_exposure
            holds = one.target_exposure == at[0][index] and other.target_exposure == at[1][index]
            if holds and abs(target - float(exposure[index])) <= ALIGN:
                target = float(exposure[index])
            found.append(one._replace(target_exposure=target))
        return found

    def figures(self) -> dict[str, float]:
        """What the trial stands at: those of the test, and both sleeves' equity."""
        return {
            **self.test.figures(),
            "champion_equity": self.champion.equity,
            "candidate_equity": self.candidate.equity,
        }

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs."""
        return {
            "smoothed": self.pilot.smoothed.copy(),
            "champion": self.champion.state(),
            "candidate": self.candidate.state(),
            "test": self.test.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.pilot.smoothed = np.array(state["smoothed"], dtype=np.float64)
        self.champion.restore(state["champion"])
        self.candidate.restore(state["candidate"])
        self.test.restore(state["test"])
