"""What a policy is worth on turns that it did not learn from: one account, its surest answers, from the first turn to the last."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from engine.contract.action import ActionSpec, Discrete7, target_exposure, valid_actions
from engine.contract.calendar import bars_per_year
from engine.contract.config import Limits, Venue
from models.features import STEPS
from models.market import Market
from models.networks import SIZE_COLUMN, PolicyGraph, choose
from models.tape import Tape

LITTLE = 0.1
"""An exposure smaller than this counts as none, where answers of a head of exposures are counted."""


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
        Policies of one action space.
    start, end
        Turns of the tape: the first decision is made at `start`, the last mark is taken at `end - 1`.

    Returns
    -------
    list of Replay
        One per policy; an account that ended has no rows after its end.
    """
    spec, count = graphs[0].spec, end - 1 - start
    market = Market(tape, venue, limits, spec, len(graphs), count + 2, 0, trace=True)
    market.begin(start)
    tables = [graph.trunk.table(graph.normaliser(tape.features)) for graph in graphs]
    columns, ended = [], torch.zeros(len(graphs), dtype=torch.bool, device=market.device)
    seen, each = market.observation(), (len(graphs), market.instruments)
    for _ in range(count):
        answers, agreed, meant = [], [], []
        for graph, table, rows, own in zip(
            graphs, tables, seen.row.split(market.instruments), seen.account.split(market.instruments)
        ):
            logits, _ = graph.trunk.judge(table.index_select(0, rows - (STEPS - 1)), own)
            chosen = choose(spec, logits, own[:, SIZE_COLUMN], graph.trunk.spread)
            answers.append(chosen[:2])
            agreed.append(_agreement(graph, logits, *chosen))
            meant.append(_meant(graph, chosen[0].double(), own[:, SIZE_COLUMN].double()))
        action, logits = (torch.cat(values) for values in zip(*answers))
        before = market.account.equity
        decides = market.decides
        step = market.advance(action)
        happened, equity = market.happened, market.account.equity
        assert happened is not None
        ended = ended | step.terminated.view(each)[:, 0]
        value = market.quantity * market.close
        columns.append(
            Replay(
                equity=equity,
                exposure=value / equity[:, None],
                action=torch.cat(meant).view(each),
                decides=decides,
                orders=happened.order,
                traded_frac=happened.traded / before[:, None],
                fees=happened.fee,
                account=seen.account.view(*each, -1),
                entropy=_entropy(spec, logits, seen.account[:, SIZE_COLUMN]).view(each),
                agreement=torch.cat(agreed).view(each),
            )._asdict()
            | {"ended": ended}
        )
        seen = step.final
        if bool(ended.all()):
            break
    stacked = {name: torch.stack([row[name] for row in columns]) for name in columns[0]}
    equity = torch.cat([torch.full_like(stacked["equity"][:1], venue.starting_balance), stacked.pop("equity")])
    ended = stacked.pop("ended")
    rows = (~ended).sum(0) + ended.any(0)
    return [
        Replay(equity=equity[: n + 1, i], **{name: value[:n, i] for name, value in stacked.items()})
        for i, n in enumerate(rows.tolist())
    ]


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
