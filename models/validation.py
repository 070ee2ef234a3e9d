"""What a policy is worth on rows that it did not learn from: one account, its surest answers, from the first row to the last."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from engine.contract.action import ActionSpec, Discrete7, valid_actions
from engine.contract.calendar import bars_per_year
from engine.contract.config import Limits, Venue
from models.features import STEPS
from models.market import Market
from models.networks import SIZE_COLUMN, PolicyGraph, choose
from models.tape import Tape


class Replay(NamedTuple):
    """One account from the first row of a span to its last.

    Attributes
    ----------
    equity : float64 (n + 1,), at every close, quote
    exposure : float64 (n,), signed fraction of equity at the close after each decision
    action : float64 (n,), the answers
    orders : float64 (n,), signed whole lots
    traded_frac : float64 (n,), traded value over equity
    fees : float64 (n,), quote
    account : float32 (n, 13), the columns that the policy saw
    entropy : float64 (n,)
        Of the answers' probabilities, nats, over the log of the number of valid answers; 0 where continuous.
    """

    equity: Tensor
    exposure: Tensor
    action: Tensor
    orders: Tensor
    traded_frac: Tensor
    fees: Tensor
    account: Tensor
    entropy: Tensor


@torch.inference_mode()
def replay(
    graphs: Sequence[PolicyGraph], tape: Tape, venue: Venue, limits: Limits, start: int, end: int, segment: int = 0
) -> list[Replay]:
    """Trade a span with the surest answers of each policy, on an account of its own, from flat and the venue's starting balance.

    Parameters
    ----------
    graphs
        Policies of one action space.
    start, end
        Rows of the tape: the first decision is made at `start`, the last mark is taken at `end - 1`.
    segment
        Which instrument of the tape the rows belong to.

    Returns
    -------
    list of Replay
        One per policy; an account that ended has no rows after its end.
    """
    spec, count = graphs[0].spec, end - 1 - start
    market = Market(tape, venue, limits, spec, len(graphs), count + 2, 0)
    market.begin(start, segment)
    tables = [graph.trunk.table(graph.normaliser(tape.features[start - STEPS + 1 : end])) for graph in graphs]
    account, columns, ended = market.observation().account, [], torch.zeros(len(graphs), dtype=torch.bool)
    for index in range(count):
        answers = []
        for graph, table, own in zip(graphs, tables, account.split(1)):
            logits, _ = graph.trunk.judge(table[index : index + 1], own)
            answers.append(choose(spec, logits, own[:, SIZE_COLUMN], graph.trunk.spread)[:2])
        action, logits = (torch.cat(values) for values in zip(*answers))
        step = market.advance(action)
        ended = ended | step.terminated
        columns.append(
            (market.equity, market.lots, action, market.order, market.traded, market.fee, account, logits, ended)
        )
        account = step.final.account
        if bool(ended.all()):
            break
    equity, lots, action, order, traded, fee, seen, logits, ended = (torch.stack(values) for values in zip(*columns))
    equity = torch.cat([torch.full_like(equity[:1], venue.starting_balance), equity])
    close = tape.close[start + 1 : start + 1 + len(lots), None]
    exposure = lots * market.units(segment) * close / equity[1:]
    entropy = _entropy(spec, logits, seen[..., SIZE_COLUMN])
    rows = (~ended).sum(0) + ended.any(0)
    return [
        Replay(
            equity=equity[: n + 1, i],
            exposure=exposure[:n, i],
            action=action[:n, i].double(),
            orders=order[:n, i],
            traded_frac=(traded / equity[:-1])[:n, i],
            fees=fee[:n, i],
            account=seen[:n, i],
            entropy=entropy[:n, i],
        )
        for i, n in enumerate(rows.tolist())
    ]


def _entropy(spec: ActionSpec, logits: Tensor, size: Tensor) -> Tensor:
    if spec.kind == "continuous":
        return torch.zeros_like(size, dtype=torch.float64)
    logs = logits.double().log_softmax(-1)
    valid = valid_actions(spec, size).sum(-1).clamp(min=2)
    return -(logs.exp() * logs).sum(-1) / valid.double().log()


def figures(replays: Sequence[Replay], spec: ActionSpec, bar: str) -> dict[str, float]:
    """Measure replays together: growth, its ratio to risk, and signs of a policy that has collapsed.

    Returns
    -------
    dict
        `log_growth` (mean over replays, after costs), `sharpe` (annualised, of log returns, mean over replays), `max_drawdown`
        (worst), `exposure` (mean absolute, of equity), `turnover` (traded value over equity per 1,000 decisions),
        `trades_per_1000`, `entropy` (mean, of its largest possible), `commonest_action_share`, `hold_share`, `decisions`.
    """
    returns = [torch.diff(one.equity.log()) for one in replays]
    decisions = sum(len(one.action) for one in replays)
    action = torch.cat([one.action for one in replays])
    if spec.kind == "discrete7":
        counts = torch.bincount(action.long(), minlength=7)
        hold = float(counts[Discrete7.HOLD]) / decisions
    else:
        kind = torch.where(action.abs() <= spec.hold_zone, 0.0, action.sign()).long() + 1
        counts = torch.bincount(kind, minlength=3)
        hold = float(counts[1]) / decisions
    return {
        "log_growth": sum(float(values.sum()) for values in returns) / len(replays),
        "sharpe": sum(_sharpe(values, bar) for values in returns) / len(replays),
        "max_drawdown": max(float((1.0 - one.equity / one.equity.cummax(0).values).max()) for one in replays),
        "exposure": float(torch.cat([one.exposure for one in replays]).abs().mean()),
        "turnover": sum(float(one.traded_frac.sum()) for one in replays) / decisions * 1_000,
        "trades_per_1000": sum(int((one.orders != 0).sum()) for one in replays) / decisions * 1_000,
        "entropy": float(torch.cat([one.entropy for one in replays]).mean()),
        "commonest_action_share": float(counts.max()) / decisions,
        "hold_share": hold,
        "decisions": decisions,
    }


def _sharpe(returns: Tensor, bar: str) -> float:
    deviation = float(returns.std()) if len(returns) > 1 else 0.0
    return float(returns.mean()) / deviation * math.sqrt(bars_per_year(bar)) if deviation > 1e-12 else 0.0
