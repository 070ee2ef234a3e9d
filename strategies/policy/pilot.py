"""A pilot: one policy asked for one account, its answers resolved to target exposures."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.contract.action import ActionSpec, smooth, target_exposure
from engine.contract.arrays import FEW
from engine.contract.messages import Turn
from engine.contract.migration import continuous_answer, discrete_answer
from engine.execution.tracker import AccountTracker
from engine.policy.session import PolicySession
from engine.policy.window import BarWindow
from engine.risk.breaker_measures import entropy_nats
from strategies.base import Choice

Floats = NDArray[np.float64]
Observer = Callable[[int, int, dict[str, NDArray[np.float32]]], None]
"""Called with event time, instrument index and that instrument's inputs, for whoever wants to look on."""


class Pilot:
    """A verified policy, with the smoothing of its answers.

    Parameters
    ----------
    session
        The policy.
    instruments
        Number of instruments.
    executor
        The action space that carries its answers out; `own` means the policy's.

    Attributes
    ----------
    entropy
        Of the last answers of a discrete policy, nats.
    """

    def __init__(self, session: PolicySession, instruments: int, executor: str = "own") -> None:
        contract = session.contract
        self.session = session
        self.entropy: float | None = None
        self._signals = contract.context_signals
        self._action = contract.action
        self._executor = None
        if executor != "own" and executor != contract.action.kind:
            self._executor = ActionSpec(executor)  # type: ignore[arg-type]
        self.smoothed = np.zeros(instruments)

    def choose(
        self,
        turn: Turn,
        window: BarWindow,
        account: AccountTracker,
        budget: Floats,
        exposure: Floats,
        ready: Sequence[int],
        observer: Observer | None = None,
    ) -> list[Choice]:
        """Compose the observation of an account, ask, and resolve the answers.

        Parameters
        ----------
        account
            Whose position and equity the policy sees.
        budget, exposure : float64 (instruments,)
            Value of an exposure of 1, quote; what the account holds of it.
        ready
            Instruments that have a bar and a full window, in order.
        """
        portfolio = account.portfolio()
        inputs = {
            "bars": window.rows(ready),
            "position": account.position(budget, ready),
            "portfolio": portfolio[None].repeat(len(ready), axis=0),
        }
        if self._signals:
            said = np.concatenate([turn.signals[name][ready] for name in self._signals], -1)
            inputs["context"] = said.astype(np.float32)
        answer = self.session(inputs)
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
            if observer is not None:
                observer(turn.ts_event, index, {name: tensor[row] for name, tensor in inputs.items()})
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
        self.smoothed[index] = action = smooth(spec, action, float(self.smoothed[index]))
        return target_exposure(spec, action, exposure), 0.0 if abs(action) <= spec.hold_zone else action

    def _resolve(self, raw: NDArray[Any], exposure: Floats, ready: Sequence[int]) -> tuple[Floats, Floats]:
        """Return target exposures, and the answers as they are carried out: smoothed, migrated, 0 where a continuous one holds."""
        spec, action = self._action, raw.astype(np.float64)
        if spec.kind == "continuous":
            action = smooth(spec, action, self.smoothed[ready])
            self.smoothed[ready] = action
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
