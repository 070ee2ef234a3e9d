"""What a policy is worth on turns that it did not learn from: one account, its surest answers, from the first turn to the last."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from engine.contract.action import ActionSpec, Discrete7, target_exposure, valid_actions
from engine.contract.calendar import bars_per_year
from engine.contract.config import Limits, Reward, Venue
from models.features import STEPS
from models.market import Market
from models.networks import SIZE_COLUMN, PolicyGraph, choose
from models.tape import Tape

LITTLE = 0.1
"""An exposure smaller than this counts as none, where answers of a head of exposures are counted."""

UNREWARDED = Reward(growth=0.0)
"""Nobody learns in a replay."""


class Replay(NamedTuple):
    """One account from the first turn of a span to its last, with K instruments.

    Attributes
    ----------
    equity : float64 (n + 1,), at every close, quote
    exposure : float64 (n, K), signed fraction of equity at the close after each decision
    action : float64 (n, K), the answers; of a head of exposures the exposure that the answer leads to, 0 where it is under a tenth
    decides : bool (n, K), where the instrument had a bar; the answer was not heard elsewhere
    orders : float64 (n, K), signed whole lots
    traded_frac : float64 (n, K), traded value over equity
    fees : float64 (n, K), quote
    account : float32 (n, K, 13 + C), the columns that the policy saw
    entropy : float64 (n, K)
        Of the answers' probabilities, nats, over the log of the number of valid answers; 0 where continuous.
    agreement : float64 (n, K)
        Probability that a draw from the policy is the answer that was given; where continuous, that it is of the same kind: sell, hold or
        buy. 1 for a policy that draws from nothing.
    """

    equity: Tensor
    exposure: Tensor
    action: Tensor
    decides: Tensor
    orders: Tensor
    traded_frac: Tensor
    fees: Tensor
    account: Tensor
    entropy: Tensor
    agreement: Tensor


@torch.inference_mode()
def replay(
    graphs: Sequence[PolicyGraph], tape: Tape, venue: Venue, limits: Limits, start: int, end: int
) -> list[Replay]:
    """Trade a span with the surest answers of each policy, on an account of its own, from flat and the venue's starting balance.

    Parameters
    ----------
    graphs
        Policies of one action space, their heads of one kind. Side by side they cost little more than one, and nothing of what one does
        depends on the others.
    start, end
        Turns of the tape: the first decision is made at `start`, the last mark is taken at `end - 1`.

    Returns
    -------
    list of Replay
        One per policy; an account that ended has no rows after its end.
    """
    spec, count = graphs[0].spec, end - 1 - start
    market = Market(tape, venue, limits, spec, len(graphs), count + 2, 0, reward=UNREWARDED, trace=True)
    market.begin(start)
    tables = [graph.trunk.table(graph.normaliser(tape.features)) for graph in graphs]
    turns, ended = [], torch.zeros(len(graphs), dtype=torch.bool, device=market.device)
    seen, each = market.observation(), (len(graphs), market.instruments)
    any_spread = torch.ones((), device=market.device)
    for _ in range(count):
        place = seen.row[: market.instruments] - (STEPS - 1)
        owned = seen.account.split(market.instruments)
        scores = [
            graph.trunk.score(table.index_select(0, place), own) for graph, table, own in zip(graphs, tables, owned)
        ]
        logits = torch.cat(scores)
        action, _, _ = choose(spec, logits, seen.account[:, SIZE_COLUMN], any_spread)
        decides, before = market.decides, market.account.equity
        step = market.advance(action)
        happened = market.happened
        assert happened is not None
        ended = ended | step.terminated.view(each)[:, 0]
        turns.append(
            _Turn(
                logits.view(*each, -1),
                action.view(each),
                seen.account.view(*each, -1),
                decides,
                before,
                market.account.equity,
                market.account.lots,
                market.close,
                happened.order,
                happened.traded,
                happened.fee,
                ended,
            )
        )
        seen = step.final
        if bool(ended.all()):
            break
    whole = _Turn(*(torch.stack(column) for column in zip(*turns)))
    rows = (~whole.ended).sum(0) + whole.ended.any(0)
    first = whole.equity.new_full((1,), venue.starting_balance)
    return [
        _replayed(graph, _Turn(*(column[:n, i] for column in whole)), first, market.terms.lots_per_unit)
        for i, (graph, n) in enumerate(zip(graphs, rows.tolist()))
    ]


class _Turn(NamedTuple):
    """What is kept of a turn, a row per policy; all that follows from it is computed when the last turn is over."""

    logits: Tensor
    action: Tensor
    account: Tensor
    decides: Tensor
    before: Tensor
    equity: Tensor
    lots: Tensor
    close: Tensor
    order: Tensor
    traded: Tensor
    fee: Tensor
    ended: Tensor


def _replayed(graph: PolicyGraph, turns: _Turn, first: Tensor, lots_per_unit: Tensor) -> Replay:
    """What one policy did; the turns are its own, (n, ...)."""
    logits, action = turns.logits.flatten(0, 1), turns.action.flatten()
    size = turns.account[..., SIZE_COLUMN].flatten()
    chosen = choose(graph.spec, logits, size, graph.trunk.spread)
    value = turns.lots / lots_per_unit * turns.close
    return Replay(
        equity=torch.cat([first, turns.equity]),
        exposure=value / turns.equity[:, None],
        action=_meant(graph, action.double(), size.double()).view_as(turns.lots),
        decides=turns.decides,
        orders=turns.order,
        traded_frac=turns.traded / turns.before[:, None],
        fees=turns.fee,
        account=turns.account,
        entropy=_entropy(graph.spec, chosen[1], size).view_as(turns.lots),
        agreement=_agreement(graph, logits, *chosen).view_as(turns.lots),
    )


def _entropy(spec: ActionSpec, logits: Tensor, size: Tensor) -> Tensor:
    if spec.kind == "continuous":
        return torch.zeros_like(size, dtype=torch.float64)
    logs = logits.double().log_softmax(-1)
    valid = valid_actions(spec, size).sum(-1).clamp(min=2)
    return -(logs.exp() * logs).sum(-1) / valid.double().log()


def _meant(graph: PolicyGraph, action: Tensor, size: Tensor) -> Tensor:
    """What an answer is counted as: itself, or the exposure that it leads to."""
    if graph.trunk.head.kind != "exposure":
        return action
    led: Tensor = target_exposure(graph.spec, action, size)
    return torch.where(led.abs() < LITTLE, 0.0, led)


def _agreement(graph: PolicyGraph, logits: Tensor, action: Tensor, masked: Tensor, confidence: Tensor) -> Tensor:
    """Probability that a draw is the answer; see `Replay.agreement`."""
    if graph.trunk.head.kind in ("values", "exposure"):
        return torch.ones_like(confidence, dtype=torch.float64)
    if graph.spec.kind == "discrete7":
        return torch.softmax(masked.double(), -1).gather(-1, action[:, None]).squeeze(-1)
    centre, spread, zone = action.double(), graph.trunk.spread.double(), graph.spec.hold_zone
    if graph.trunk.head.kind == "gaussian":
        mean, deviation = graph.trunk.gaussian(logits.double())
        centre, spread, zone = mean.squeeze(-1), deviation.squeeze(-1), math.atanh(zone)
    below, above = (torch.special.ndtr((edge - centre) / spread) for edge in (-zone, zone))
    kinds = torch.stack([below, above - below, 1.0 - above], -1)
    return kinds.gather(-1, _kind(graph.spec, action.double())[:, None]).squeeze(-1)


def _kind(spec: ActionSpec, action: Tensor) -> Tensor:
    """Number the kinds of answers: the answer itself where discrete, else 0 sell, 1 hold, 2 buy."""
    if spec.kind == "discrete7":
        return action.long()
    return torch.where(action.abs() <= spec.hold_zone, 0.0, action.sign()).long() + 1


def figures(replays: Sequence[Replay], spec: ActionSpec, bar: str) -> dict[str, float]:
    """Measure replays together: growth, its ratio to risk, and signs of a policy that has collapsed.

    Returns
    -------
    dict
        `log_growth` (mean over replays, after costs), `sharpe` (annualised, of log returns, mean over replays), `max_drawdown`
        (worst), `exposure` (mean sum of absolute positions, of equity), `turnover` (traded value over equity per 1,000 decisions),
        `trades_per_1000`, `entropy` (of the probabilities, mean, of its largest possible), `commonest_action_share`, `hold_share`,
        `action_entropy` (of the answers that were given, of its largest possible), `distance_to_cash` and `distance_to_hold` (mean
        distance of the exposure from 0 and from 1, fractions of the budget), `agreement` (mean), `decisions`.
    """
    returns = [torch.diff(one.equity.log()) for one in replays]
    decided = [one.decides for one in replays]
    decisions = sum(int(where.sum()) for where in decided)
    action = torch.cat([one.action[where] for one, where in zip(replays, decided)])
    hold, kinds = (Discrete7.HOLD, 7) if spec.kind == "discrete7" else (1, 3)
    counts = torch.bincount(_kind(spec, action), minlength=kinds)
    share = counts[counts > 0].double() / decisions
    size = torch.cat([one.account[..., SIZE_COLUMN][where] for one, where in zip(replays, decided)]).double()
    return {
        "log_growth": sum(float(values.sum()) for values in returns) / len(replays),
        "sharpe": sum(_sharpe(values, bar) for values in returns) / len(replays),
        "max_drawdown": max(float((1.0 - one.equity / one.equity.cummax(0).values).max()) for one in replays),
        "exposure": float(torch.cat([one.exposure.abs().sum(-1) for one in replays]).mean()),
        "turnover": sum(float(one.traded_frac.sum()) for one in replays) / decisions * 1_000,
        "trades_per_1000": sum(int((one.orders != 0).sum()) for one in replays) / decisions * 1_000,
        "entropy": float(torch.cat([one.entropy[where] for one, where in zip(replays, decided)]).mean()),
        "commonest_action_share": float(counts.max()) / decisions,
        "hold_share": float(counts[hold]) / decisions,
        "action_entropy": float(-(share * share.log()).sum()) / math.log(kinds),
        "distance_to_cash": float(size.abs().mean()),
        "distance_to_hold": float((size - 1.0).abs().mean()),
        "agreement": float(torch.cat([one.agreement[where] for one, where in zip(replays, decided)]).mean()),
        "decisions": decisions,
    }


def _sharpe(returns: Tensor, bar: str) -> float:
    deviation = float(returns.std()) if len(returns) > 1 else 0.0
    return float(returns.mean()) / deviation * math.sqrt(bars_per_year(bar)) if deviation > 1e-12 else 0.0
