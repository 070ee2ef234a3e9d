"""Sequences of answers, played by accounts of the training market, and what came of each."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from engine.contract.action import ActionSpec, valid_actions
from engine.contract.config import Limits, Venue
from models.features import STEPS
from models.market import Market
from models.networks import SIZE_COLUMN, PolicyGraph, mask_logits
from models.tape import Tape

MAKERS = ("any", "valid", "bold", "idle", "policy")
"""Who makes the answers of a sequence: any answer, masked or not; any valid one; the largest ones, side by side; mostly holding; draws
from a policy's own probabilities."""

SEQUENCE_STEPS = (4, 33)
"""A sequence has from 4 to 32 decisions."""

Floats = NDArray[np.float64]


class Step(NamedTuple):
    """One turn of one account: what it was, what was answered, what came of it until the next turn; arrays of shape (K,).

    Attributes
    ----------
    lots, mask, columns
        Before the decision: whole lots; valid answers (K, 7); what the policy is shown of the account, float32 (K, 13 + C).
    equity, balance
        Before the decision, quote.
    decides, answer
        Whether the instrument had a bar; the answer.
    refused, denied, fee, funding, result, reward, liquidated
        As in `models.accounting.Happened`; the reward as the market gave it.
    """

    turn: int
    lots: Floats
    mask: NDArray[np.bool_]
    columns: NDArray[np.float32]
    equity: float
    balance: float
    decides: NDArray[np.bool_]
    answer: Floats
    refused: NDArray[np.bool_]
    denied: NDArray[np.bool_]
    fee: Floats
    funding: Floats
    result: Floats
    reward: Floats
    liquidated: bool


@dataclass(frozen=True)
class Play:
    """One account from its first turn until its last or its end.

    Attributes
    ----------
    steps
        One per turn.
    end
        Equity, balance and lots at the turn after the last step.
    ended
        Whether the account was terminated there.
    sequences
        Number of sequences by maker.
    """

    steps: list[Step]
    end: tuple[float, float, Floats]
    ended: bool
    sequences: dict[str, int]


class Answers:
    """Makes the answers of N accounts, sequence by sequence.

    Parameters
    ----------
    graph
        Policy that some sequences are drawn from; None for none.
    table
        `graph.trunk.table` of the tape.
    """

    def __init__(self, market: Market, seed: int, graph: PolicyGraph | None, table: torch.Tensor | None) -> None:
        self._market, self._graph, self._table = market, graph, table
        self._rng = np.random.default_rng(seed)
        self._left = np.zeros(market.envs, dtype=int)
        self._maker = np.zeros(market.envs, dtype=int)
        self.sequences = [dict.fromkeys(MAKERS, 0) for _ in range(market.envs)]

    def __call__(self) -> Floats:
        """Answer the present turn, float64 (N, K)."""
        makers = len(MAKERS) if self._graph is not None else len(MAKERS) - 1
        for n in np.flatnonzero(self._left == 0):
            self._left[n] = self._rng.integers(*SEQUENCE_STEPS)
            self._maker[n] = self._rng.integers(makers)
            self.sequences[n][MAKERS[self._maker[n]]] += 1
        self._left -= 1
        discrete = self._market.spec.kind == "discrete7"
        made = self._discrete() if discrete else self._continuous()
        choices = [*made, self._policy()] if self._graph is not None else made
        return np.stack(choices)[self._maker, np.arange(self._market.envs)]

    def _discrete(self) -> list[Floats]:
        market, rng = self._market, self._rng
        shape = (market.envs, market.instruments)
        mask = masks(market).reshape(*shape, 7)
        score = rng.random((*shape, 7))
        valid = np.where(mask, score, -1.0).argmax(-1)
        bold = np.where(mask[..., 3], 3, np.where(rng.random(shape) < 0.5, 5, 6))
        idle = np.where(rng.random(shape) < 0.85, 0, valid)
        return [made.astype(float) for made in (score.argmax(-1), valid, bold, idle)]

    def _continuous(self) -> list[Floats]:
        market, rng = self._market, self._rng
        shape = (market.envs, market.instruments)
        draw = rng.uniform(-1.0, 1.0, shape)
        bold = np.where(rng.random(shape) < 0.5, 1.0, -1.0)
        idle = np.where(rng.random(shape) < 0.85, 0.5 * market.spec.hold_zone * draw, draw)
        return [draw, 0.5 * draw, bold, idle]

    @torch.inference_mode()
    def _policy(self) -> Floats:
        graph, seen = self._graph, self._market.observation()
        assert graph is not None
        assert self._table is not None
        logits, _ = graph.trunk.judge(self._table.index_select(0, seen.row - (STEPS - 1)), seen.account)
        shape = (self._market.envs, self._market.instruments)
        if graph.spec.kind == "continuous":
            spread = float(graph.trunk.spread)
            noise = self._rng.standard_normal(shape)
            return np.clip(np.tanh(logits.double().numpy()).reshape(shape) + spread * noise, -1.0, 1.0)
        masked = mask_logits(graph.spec, logits, seen.account[:, SIZE_COLUMN]).double().log_softmax(-1).numpy()
        gumbel = -np.log(-np.log(self._rng.random(masked.shape)))
        return (masked + gumbel).argmax(-1).reshape(shape).astype(float)


def masks(market: Market) -> NDArray[np.bool_]:
    """Valid discrete answers as the account's own arithmetic has them, bool (B, 7)."""
    exposure = market.quantity * market.close / market.budget
    return valid_actions(market.spec, exposure).flatten(0, 1).numpy()


def play(
    tape: Tape,
    venue: Venue,
    limits: Limits,
    spec: ActionSpec,
    starts: list[int],
    steps: int,
    seed: int,
    graph: PolicyGraph | None = None,
) -> list[Play]:
    """Play on one account per start, from flat, for `steps` turns or until it ends.

    Parameters
    ----------
    starts
        First turns.
    graph
        Policy of the same action space that makes some of the sequences.
    """
    market = Market(tape, venue, limits, spec, len(starts), steps + 1, seed, trace=True)
    market.begin(torch.tensor(starts))
    with torch.no_grad():
        table = None if graph is None else graph.trunk.table(graph.normaliser(tape.features))
    answers = Answers(market, seed, graph, table)
    count, each = len(starts), (len(starts), market.instruments)
    kept: list[list[Step]] = [[] for _ in starts]
    ends: list[tuple[float, float, Floats] | None] = [None] * count
    ended = np.zeros(count, bool)
    for _ in range(steps):
        turn, account = market.turn.tolist(), market.account
        mask, columns = masks(market).reshape(*each, 7), market.observation().account.numpy().reshape(*each, -1)
        decides, answer = market.decides.numpy(), answers()
        tensor = torch.from_numpy(answer.ravel())
        step = market.advance(tensor.long() if spec.kind == "discrete7" else tensor)
        happened = market.happened
        assert happened is not None
        reward = step.reward.double().numpy().reshape(each)
        over, cut = (flag.numpy().reshape(each)[:, 0] for flag in (step.terminated, step.truncated))
        for n in range(count):
            if ends[n] is not None:
                continue
            kept[n].append(
                Step(
                    turn[n],
                    account.lots[n].numpy(),
                    mask[n],
                    columns[n],
                    float(account.equity[n]),
                    float(account.balance[n]),
                    decides[n],
                    answer[n],
                    happened.refused[n].numpy(),
                    happened.denied[n].numpy(),
                    happened.fee[n].numpy(),
                    happened.funding[n].numpy(),
                    happened.result[n].numpy(),
                    reward[n],
                    bool(happened.liquidated[n]),
                )
            )
            if over[n] or cut[n] or len(kept[n]) == steps:
                after = market.account
                ends[n] = (float(after.equity[n]), float(after.balance[n]), after.lots[n].numpy())
                ended[n] = over[n]
        if all(end is not None for end in ends):
            break
    return [
        Play(kept[n], ends[n] or (0.0, 0.0, np.zeros(0)), bool(ended[n]), answers.sequences[n]) for n in range(count)
    ]
