"""The policies that a run came through, each replayed over the validation span, and the best of them.

A policy of a learner that trades is noted where it is due and judged later, with others: policies that are replayed side by side cost
little more than one, and what is measured of each is the same to the bit. Nothing that is learned depends on when a policy is judged.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.contract.action import ActionSpec
from engine.contract.calendar import bars_per_year
from engine.contract.config import Config, sha256
from engine.evaluation.ledger import Ledger
from engine.evaluation.metrics import simple_returns
from engine.evaluation.trials import Origin, family_name
from models.algorithms.foreseen import Foreseen
from models.algorithms.learner import Learner, State, below, prefixed
from models.networks import PolicyGraph
from models.tape import Tape
from models.validation import figures, replay

MOST_AT_ONCE = 32
"""Policies that are replayed side by side."""

Span = tuple[int, int]
Finish = Callable[[NDArray[np.float64]], object]
"""Takes simple returns."""


class Best:
    """The policies of a run that wait to be judged, the best of those that were, by log growth alone, and every growth it was chosen from.

    Attributes
    ----------
    weights, env_steps, figures
        Of the best: its weights, the decisions after which the run had it, and what its replay measured; no figures where none was made.
    evaluations
        Decisions and log growth of every policy that was judged, in order.
    waiting
        Decisions and weights of those that were not.
    """

    def __init__(self) -> None:
        self.weights: State = {}
        self.env_steps = 0
        self.figures: dict[str, float] = {}
        self.evaluations: list[tuple[int, float]] = []
        self.waiting: list[tuple[int, State]] = []

    def note(self, graph: PolicyGraph, env_steps: int) -> None:
        """Put a policy among those that wait."""
        weights = {name: value.detach().cpu().clone() for name, value in graph.state_dict().items()}
        self.waiting.append((env_steps, weights))

    def judged(self, log_growth: float, figures: Mapping[str, float] | None = None) -> None:
        """Take the first policy off those that wait; keep it if none before grew more."""
        env_steps, weights = self.waiting.pop(0)
        if not self.evaluations or log_growth > max(growth for _, growth in self.evaluations):
            self.weights, self.env_steps, self.figures = weights, env_steps, dict(figures or {})
        self.evaluations.append((env_steps, log_growth))

    def policy(self, graph: PolicyGraph) -> PolicyGraph:
        """Return the best as a graph like the given one, on the CPU."""
        return _with(graph, self.weights)

    def state(self) -> State:
        """Everything that `restore` needs, as tensors with flat names."""
        noted = torch.tensor(self.evaluations, dtype=torch.float64).reshape(-1, 2)
        state = {"evaluations": noted, "env_steps": torch.tensor(self.env_steps)}
        state |= {f"figures.{name}": torch.tensor(value).double() for name, value in self.figures.items()}
        state |= prefixed("weights.", self.weights)
        for env_steps, weights in self.waiting:
            state |= prefixed(f"waiting.{env_steps}.", weights)
        return state

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state."""
        self.env_steps = int(state["env_steps"])
        self.evaluations = [(int(steps), growth) for steps, growth in state["evaluations"].tolist()]
        self.figures = {name: float(value) for name, value in below("figures.", state).items()}
        self.weights = below("weights.", state)
        waiting = below("waiting.", state)
        steps = sorted({int(name.partition(".")[0]) for name in waiting})
        self.waiting = [(one, below(f"{one}.", waiting)) for one in steps]


class Judge(NamedTuple):
    """What policies are judged on, and where that is written down.

    Attributes
    ----------
    config, tape, spec
        Venue, limits and names; the history, on the CPU; the action space.
    span
        Turns of validation, [first, last).
    ledger
        Where every replay is a row before it is made; None counts nothing.
    path
        What the rows say of where they come from.
    """

    config: Config
    tape: Tape
    spec: ActionSpec
    span: Span
    ledger: Ledger | None = None
    path: Origin = "train"

    def look(self, learner: Learner, best: Best, seed: int) -> None:
        """Note a learner's policy where one is due, and judge those that wait once there are many.

        A learner that needs no account to be judged is judged at once.
        """
        if not learner.done and learner.iteration % self.config.training.evaluate_every:
            return
        env_steps = learner.iteration * learner.steps_per_iteration
        best.note(learner.graph, env_steps)
        if isinstance(learner, Foreseen):
            with self._rows([(seed, env_steps)]) as (row,):
                earned = learner.earned(self.span)
                row(earned.cpu().numpy())
            best.judged(float(earned.log1p().sum()))
        elif len(best.waiting) >= MOST_AT_ONCE:
            self.judge(learner.graph, {seed: best})

    def judge(self, graph: PolicyGraph, bests: Mapping[int, Best]) -> None:
        """Replay all that wait.

        Parameters
        ----------
        graph
            One like theirs.
        bests
            By seed.
        """
        waiting = [(seed, best, *one) for seed, best in bests.items() for one in best.waiting]
        for first in range(0, len(waiting), MOST_AT_ONCE):
            part = waiting[first : first + MOST_AT_ONCE]
            graphs = [_with(graph, weights) for _, _, _, weights in part]
            found = self._counted(graphs, [(seed, env_steps) for seed, _, env_steps, _ in part])
            for (_, best, _, _), one in zip(part, found):
                best.judged(one["log_growth"], one)

    def figures(self, graphs: Sequence[PolicyGraph]) -> list[dict[str, float]]:
        """Replay policies without counting them: those that were counted before, and rules; `validation.figures` of each."""
        replays = replay(graphs, self.tape, self.config.venue, self.config.limits, *self.span)
        return [figures([one], self.spec, self.config.universe.bar) for one in replays]

    def _counted(self, graphs: Sequence[PolicyGraph], names: Sequence[tuple[int, int]]) -> list[dict[str, float]]:
        with self._rows(names) as rows:
            replays = replay(graphs, self.tape, self.config.venue, self.config.limits, *self.span)
            for row, one in zip(rows, replays):
                row(simple_returns(one.equity.numpy()))
        return [figures([one], self.spec, self.config.universe.bar) for one in replays]

    @contextmanager
    def _rows(self, names: Sequence[tuple[int, int]]) -> Iterator[list[Finish]]:
        """Open a row of the ledger for each seed and number of decisions; yield what takes the returns of each."""
        universe, (first, last) = self.config.universe, self.span
        if self.ledger is None:
            yield [lambda returns: None for _ in names]
            return
        family = family_name("policy", universe.instruments, universe.bar)
        digest, ts = sha256(self.config), self.tape.ts_turn
        with ExitStack() as stack:
            found: list[Finish] = []
            for seed, env_steps in names:
                trial = stack.enter_context(
                    self.ledger.trial(
                        family=family,
                        path=self.path,
                        config_sha256=digest,
                        seed=seed,
                        start_ns=int(ts[first]),
                        end_ns=int(ts[last - 1]),
                        policy=f"{self.config.run.name} after {env_steps}",
                    )
                )
                found.append(partial(trial.finish_returns, periods_per_year=bars_per_year(universe.bar)))
            yield found


def _with(graph: PolicyGraph, weights: State) -> PolicyGraph:
    made = copy.deepcopy(graph).cpu().eval()
    made.load_state_dict(weights)
    return made
