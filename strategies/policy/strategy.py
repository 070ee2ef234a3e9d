"""The policy strategy: windows of bars and the account go in, one batched inference a turn comes out as target exposures."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.errors import ConfigError, broken
from engine.contract.messages import Turn
from engine.policy.assignment import Assignment
from engine.policy.session import PolicySession
from engine.policy.window import BarWindow
from strategies.base import Choice, GatedStrategy
from strategies.mandate import Mandate
from strategies.parameters import checked
from strategies.policy.lineup import Lineup
from strategies.policy.pilot import Observer, Pilot


class PolicyParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands beside `strategy.name = "policy"`.

    Attributes
    ----------
    executor
        Which action space carries the answers out: the policy's `own`, or the other one, which is given the answer that comes nearest
        to the same target exposure; see `engine.contract.migration`.
    """

    executor: Literal["own", "continuous", "discrete7"] = "own"


class PolicyStrategy(GatedStrategy):
    """Asks the graph once a turn, for all instruments whose window is full.

    Parameters
    ----------
    mandate
        What may be traded, and how.
    parameters
        The keys beside `strategy.name`.
    session
        The verified policy.
    lineup
        Who may take its place, and when; None: nobody.

    Raises
    ------
    ConfigError
        The policy was made for another bar, or goes short where the account cannot.
    """

    def __init__(
        self,
        mandate: Mandate,
        parameters: dict[str, Any],
        session: PolicySession,
        lineup: Lineup | None = None,
    ) -> None:
        super().__init__(mandate, parameters)
        executor = checked(PolicyParameters, parameters, "policy").executor
        contract = session.contract
        if contract.bar != mandate.bar:
            raise ConfigError(
                broken(
                    "universe.bar",
                    f"be {contract.bar}, the policy's",
                    mandate.bar,
                    session.name,
                    "train one for this bar",
                )
            )
        if contract.action.short and mandate.venue.account == "cash":
            raise ConfigError(broken("venue.account", "be margin for a policy that goes short", "cash", session.name))
        self.policy_name, self.policy_version = session.manifest.name, session.manifest.version
        self.observer: Observer | None = None
        self.lineup = lineup
        self._own = Pilot(session, len(mandate.instruments), executor)
        self._window = BarWindow(len(mandate.instruments), contract.window)

    @property
    def pilot(self) -> Pilot:
        """Who decides."""
        return self._own if self.lineup is None else self.lineup.pilot

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs: the windows, the smoothed answers, and the line-up where there is one."""
        kept = {**super().state(), "window": self._window.state(), "smoothed": self.pilot.smoothed.copy()}
        return kept if self.lineup is None else {**kept, "lineup": self.lineup.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().restore(state)
        self._window.restore(state["window"])
        if self.lineup is not None:
            self.lineup.restore(state["lineup"], self.account)
        self.pilot.smoothed = state["smoothed"].copy()

    def assign(self, assignment: Assignment, by: str, why: str) -> None:
        """Take an assignment at the next decision.

        Raises
        ------
        ConfigError
            The run has no [lifecycle].
        """
        if self.lineup is None:
            super().assign(assignment, by, why)
        else:
            self.lineup.assign(assignment, by, why)

    def warm_up(self, turn: Turn) -> None:
        """Slide the windows."""
        self._window.push(turn.rows)
        if self.lineup is not None:
            self.lineup.hear(turn)

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Compose the observation, ask, and resolve the answers to target exposures."""
        lineup = self.lineup
        if lineup is not None:
            lineup.begin(turn, self.account)
            self.policy_name, self.policy_version = lineup.name, lineup.version
        ready = [index for index in present if self._window.full(index)]
        if not ready:
            return []
        pilot = self.pilot
        if lineup is None:
            choices = pilot.choose(turn, self._window, self.account, self.budget, exposure, ready, self.observer)
        else:
            frac = self._allowed.budget_frac
            choices = lineup.decide(
                turn, self._window, self.account, frac, exposure, ready, self._bounded, self.observer
            )
            self.policy_name, self.policy_version = lineup.name, lineup.version
        self.entropy = pilot.entropy
        return choices
