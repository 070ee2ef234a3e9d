"""The policy strategy: windows of bars and the account go in, one batched inference a turn comes out as target exposures."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.contract.action import ActionSpec, smooth, target_exposure
from engine.contract.arrays import FEW
from engine.contract.errors import ConfigError, broken
from engine.contract.messages import Turn
from engine.contract.migration import continuous_answer, discrete_answer
from engine.policy.session import PolicySession
from engine.policy.window import BarWindow
from engine.risk.breaker_measures import entropy_nats
from strategies.base import Choice, GatedStrategy
from strategies.mandate import Mandate
from strategies.parameters import checked

Observer = Callable[[int, int, dict[str, NDArray[np.float32]]], None]
"""Called with event time, instrument index and that instrument's inputs, for whoever wants to look on."""


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

    Raises
    ------
    ConfigError
        The policy was made for another bar, or goes short where the account cannot.
    """

    def __init__(self, mandate: Mandate, parameters: dict[str, Any], session: PolicySession) -> None:
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
        self._session = session
        self._signals = contract.context_signals
        self._action = contract.action
        self._executor = None
        if executor != "own" and executor != contract.action.kind:
            self._executor = ActionSpec(executor)
        self._smoothed = np.zeros(len(mandate.instruments))
        self._window = BarWindow(len(mandate.instruments), contract.window)

    def state(self) -> dict[str, Any]:  # type: ignore[override]
        """Return everything that `restore` needs: the windows and the smoothed answers too."""
        return {**super().state(), "window": self._window.state(), "smoothed": self._smoothed.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        super().restore(state)
        self._window.restore(state["window"])
        self._smoothed = state["smoothed"].copy()

    def warm_up(self, turn: Turn) -> None:
        """Slide the windows."""
        self._window.push(turn.rows)

    def decide(self, turn: Turn, present: Sequence[int], exposure: NDArray[np.float64]) -> list[Choice]:
        """Compose the observation, ask, and resolve the answers to target exposures."""
        ready = [index for index in present if self._window.full(index)]
        if not ready:
            return []
        portfolio = self.account.portfolio()
        inputs = {
            "bars": self._window.rows(ready),
            "position": self.account.position(self.budget, ready),
            "portfolio": portfolio[None].repeat(len(ready), axis=0),
        }
        if self._signals:
            said = np.concatenate([turn.signals[name][ready] for name in self._signals], -1)
            inputs["context"] = said.astype(np.float32)
        answer = self._session(inputs)
        if self._action.kind == "discrete7":
            self.entropy = entropy_nats(answer.logits)
        raw, held = answer.action.tolist(), exposure[ready]
        if self._executor is None and len(ready) <= FEW:
            resolved = [self._resolve_one(*one) for one in zip(ready, raw, held.tolist())]
        else:
            resolved = list(zip(*(found.tolist() for found in self._resolve(answer.action, held, ready))))
        confidence = answer.confidence.tolist()
        choices = []
        for row, index in enumerate(ready):
            if self.observer is not None:
                self.observer(turn.ts_event, index, {name: tensor[row] for name, tensor in inputs.items()})
            sha = hashlib.sha256()
            for tensor in inputs.values():
                sha.update(tensor[row])
            target, action = resolved[row]
            choices.append(Choice(index, target, float(raw[row]), action, confidence[row], sha.hexdigest()[:16]))
        return choices

    def _resolve_one(self, index: int, raw: float, exposure: float) -> tuple[float, float]:
        """Resolve one answer, as `_resolve` does many, where no other action space carries it out."""
        spec, action = self._action, float(raw)
        if spec.kind != "continuous":
            return target_exposure(spec, action, exposure), action
        self._smoothed[index] = action = smooth(spec, action, float(self._smoothed[index]))
        return target_exposure(spec, action, exposure), 0.0 if abs(action) <= spec.hold_zone else action

    def _resolve(
        self, raw: NDArray[Any], exposure: NDArray[np.float64], ready: Sequence[int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return target exposures, and the answers as they are carried out: smoothed, migrated, 0 where a continuous one holds."""
        spec, action = self._action, raw.astype(np.float64)
        if spec.kind == "continuous":
            action = smooth(spec, action, self._smoothed[ready])
            self._smoothed[ready] = action
        targets = target_exposure(spec, action, exposure)
        if self._executor is not None:
            spec = self._executor
            action = (
                continuous_answer(targets, exposure)
                if spec.kind == "continuous"
                else discrete_answer(spec, targets, exposure).astype(np.float64)
            )
            targets = target_exposure(spec, action, exposure)
        if spec.kind == "continuous":
            action = np.where(np.abs(action) <= spec.hold_zone, 0.0, action)
        return targets, action
