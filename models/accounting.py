"""What a turn does to accounts: gate, fills, funding, liquidation, a new mark; pure functions on tensors, in the engine's arithmetic.

N accounts hold K instruments each. Money is float64 throughout.

Departure: an order fills whole, at the quote; partial fills are not modelled.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from engine.contract.account import portfolio_columns, position_columns, update_statistics
from engine.contract.action import ActionSpec, smooth, target_exposure
from engine.contract.config import Limits, Venue
from engine.contract.instrument import InstrumentSpec
from engine.execution.allowance import capped
from engine.execution.sizing import order_lots, target_lots
from engine.risk.gate import TOLERANCE
from models.tape import (
    ASK,
    BID,
    BUDGET,
    CEILING,
    CLOSE,
    DECIDES,
    FUNDING_AFTER,
    FUNDING_BEFORE,
    NEXT_CLOSE,
    QUOTED,
)

MONEY_DECIMALS = 8
"""Commissions, realised results and funding are rounded to this, the precision of USDT in NautilusTrader."""

RUIN_FRAC = 0.1
"""An account at or below this fraction of its starting balance is ended."""

LEAST_EQUITY_FRAC = 1e-3
"""Growth is measured down to this fraction of the starting balance and no further."""


Columns = Sequence[Tensor] | Tensor
"""The columns of a turn, one float64 (N, K) each, in the order of `TURN_COLUMNS`."""


class Account(NamedTuple):
    """Accounts: float64 (N,) for those of an account, (N, K) for those of a position.

    Attributes
    ----------
    balance, equity
        Without and with unrealised results at the last closes, quote.
    start_equity, peak_equity, day_equity
        At the beginning, at its highest, and at the first turn of the UTC day.
    orders_today
        Orders sent since 00:00 UTC.
    mean, square, downside, turnover
        Exponentially weighted statistics; see `engine.contract.account`.
    lots, pending
        Signed whole lots held, and ordered but not yet filled.
    entry
        Average price of the position, quote; 1 when flat.
    held
        Turns since it was opened.
    smoothed
        The last smoothed answer.
    """

    balance: Tensor
    equity: Tensor
    start_equity: Tensor
    peak_equity: Tensor
    day_equity: Tensor
    orders_today: Tensor
    mean: Tensor
    square: Tensor
    downside: Tensor
    turnover: Tensor
    lots: Tensor
    pending: Tensor
    entry: Tensor
    held: Tensor
    smoothed: Tensor


class Happened(NamedTuple):
    """What came of the answers of one turn: float64 (N, K) unless said otherwise.

    Attributes
    ----------
    target
        Exposure that was wanted, fraction of the budget.
    order
        Signed lots that the gate let through.
    refused, denied : bool
        The gate refused the order; the venue would not fund it.
    traded, fee, funding
        Value filled; fees paid; funding paid (negative is received); quote.
    result
        Equity gained on the instrument after all costs, quote.
    liquidated : bool (N,)
        The venue closed every position.
    """

    target: Tensor
    order: Tensor
    refused: Tensor
    denied: Tensor
    traded: Tensor
    fee: Tensor
    funding: Tensor
    result: Tensor
    liquidated: Tensor


class Terms:
    """Constants of venue, limits and instruments, as `advance` needs them.

    Parameters
    ----------
    instruments
        K terms.
    venue, limits
        Costs, margin and fills; what the gate holds orders to.
    bounded
        Whether turns have budgets and ceilings of their own; else the budget is `limits.max_position_frac` throughout.
    """

    def __init__(
        self,
        instruments: list[InstrumentSpec],
        venue: Venue,
        limits: Limits,
        spec: ActionSpec,
        device: torch.device,
        bounded: bool = False,
    ) -> None:
        def constant(values: list[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float64, device=device)

        self.venue, self.limits, self.spec, self.bounded = venue, limits, spec, bounded
        self.balance = venue.starting_balance
        self.lot = constant([one.lot for one in instruments])
        self.lots_per_unit = constant([10.0**one.size_precision for one in instruments])
        self.min_notional = constant([one.min_notional for one in instruments])
        self.initial = constant([one.margin_init / venue.leverage for one in instruments])
        self.maintenance = constant([one.margin_maint / venue.leverage for one in instruments])
        self.fee_rate = venue.taker_bps / 1e4
        self.margin = venue.account == "margin"

    def budget(self, now: Columns, equity: Tensor) -> Tensor:
        """Value of an exposure of 1 at a turn, quote, float64 (N, K), of equity (N,)."""
        if self.bounded:
            return now[BUDGET] * equity[:, None]
        return (self.limits.max_position_frac * equity)[:, None].expand_as(now[CLOSE])

    def alive(self, equity: Tensor) -> Tensor:
        """Keep equity above `LEAST_EQUITY_FRAC` of the starting balance."""
        return equity.clamp(min=LEAST_EQUITY_FRAC * self.balance)


def money(amount: Tensor) -> Tensor:
    """Round to the precision of the account's currency."""
    return torch.round(amount, decimals=MONEY_DECIMALS)


def refuses(limits: Limits, order: Tensor, position: Tensor, gross: Tensor, close: Tensor, account: Account) -> Tensor:
    """`engine.risk.gate.judge` for many accounts at once.

    Parameters
    ----------
    order, position : float64 (N,), base units, signed
    gross : float64 (N,), sum of absolute positions of all instruments, orders on their way included, quote
    close : float64 (N,), quote

    Returns
    -------
    bool (N,)
    """
    after = position + order
    reduces = (position * order < 0) & (order.abs() <= position.abs() * (1.0 + TOLERANCE))
    position_after = after.abs() * close
    gross_after = gross - position.abs() * close + position_after
    slack = 1.0 + TOLERANCE
    over = position_after / account.equity > limits.max_position_frac * slack
    over = over | (gross_after / account.equity > limits.max_gross_frac * slack) | ~(account.equity > 0)
    if limits.max_order_notional is not None:
        over = over | (order.abs() * close > limits.max_order_notional * slack)
    if limits.daily_trades is not None:
        over = over | (account.orders_today + 1 > limits.daily_trades * slack)
    if limits.max_drawdown_frac is not None:
        over = over | (1.0 - account.equity / account.peak_equity >= limits.max_drawdown_frac)
    if limits.daily_loss_frac is not None:
        over = over | (1.0 - account.equity / account.day_equity >= limits.daily_loss_frac)
    return over & ~reduces & (order != 0)


def advance(terms: Terms, account: Account, now: Columns, action: Tensor) -> tuple[Account, Happened]:
    """Decide at a turn and live until the next one.

    Parameters
    ----------
    now : C of float64 (N, K)
        The turn's columns of `Tape.turns`.
    action : float64 (N, K) or int64 (N, K)
        Answers; those of instruments without a bar are not heard.

    A rate that is due at the next turn is settled after the fills of `next_close` and before the venue looks for whom to liquidate.

    Returns
    -------
    Account
        At the next turn; statistics, `peak_equity` and `held` as they are seen there, `day_equity` and `orders_today` as they were.
    """
    close, bid, ask = now[CLOSE], now[BID], now[ASK]
    account, target, wanted = _wanted(terms, account, now, action)
    account, order, refused = _gate(terms, account, close, wanted)
    before = account.lots / terms.lots_per_unit
    funding = money(before * now[FUNDING_BEFORE])
    account = account._replace(balance=account.balance - funding.sum(-1))
    worth = before * close + funding
    filled, denied, bought, traded, fee = _fill(terms, account, now)
    if terms.venue.fill == "next_close":
        account, late = _settle(terms, filled, now)
        account, liquidated, sold, more, more_fee = _liquidate(terms, account, bid, ask)
    else:
        account, liquidated, sold, more, more_fee = _liquidate(terms, filled, bid, ask)
        account, late = _settle(terms, account, now)
    quantity = account.lots / terms.lots_per_unit
    traded, fee, funding = traded + more, fee + more_fee, funding + late
    result = quantity * now[NEXT_CLOSE] - worth - late - fee - bought + sold
    happened = Happened(target, order, refused, denied, traded, fee, funding, result, liquidated)
    return _mark(terms, account, now[NEXT_CLOSE], traded.sum(-1)), happened


def _wanted(terms: Terms, account: Account, now: Columns, action: Tensor) -> tuple[Account, Tensor, Tensor]:
    """Resolve answers to target exposures and to signed lots to trade."""
    spec, close = terms.spec, now[CLOSE]
    budget = terms.budget(now, account.equity)
    exposure = account.lots / terms.lots_per_unit * close / budget
    decides = now[DECIDES] > 0
    if spec.kind == "continuous":
        answer = smooth(spec, action.double(), account.smoothed)
        account = account._replace(smoothed=torch.where(decides, answer, account.smoothed))
        action = answer
    target = target_exposure(spec, action, exposure)
    if terms.bounded:
        target = capped(target, now[CEILING])
    target = torch.where(decides, target, exposure)
    lots = target_lots(target, exposure, account.lots, budget, close, terms.lot)
    order, _ = order_lots(lots, account.lots, close, terms.lot, terms.min_notional)
    return account, target, order


def _gate(terms: Terms, account: Account, close: Tensor, wanted: Tensor) -> tuple[Account, Tensor, Tensor]:
    """Ask the gate instrument by instrument, in order: what passed counts for the next one."""
    order, refused = [], []
    sent = account.orders_today
    after = list((account.lots + account.pending).unbind(-1))
    prices, per_unit = close.unbind(-1), terms.lots_per_unit.unbind(-1)
    for k, wish in enumerate(wanted.unbind(-1)):
        values = [(lots / unit).abs() * price for lots, unit, price in zip(after, per_unit, prices)]
        gross = torch.stack(values).sum(0) if len(values) > 1 else values[0]
        now = account._replace(orders_today=sent)
        no = refuses(terms.limits, wish / per_unit[k], after[k] / per_unit[k], gross, prices[k], now)
        passed = torch.where(no, 0.0, wish)
        after[k] = after[k] + passed
        sent = sent + (passed != 0)
        order.append(passed)
        refused.append(no)
    orders = torch.stack(order, -1)
    return account._replace(pending=account.pending + orders, orders_today=sent), orders, torch.stack(refused, -1)


def _fill(terms: Terms, account: Account, now: Columns) -> tuple[Account, Tensor, Tensor, Tensor, Tensor]:
    """Fill what is pending where a quote comes, instrument by instrument; also: denied, value bought, value traded, fee."""
    balance = account.balance
    columns: list[tuple[Tensor, ...]] = []
    entries, positions = list(account.entry.unbind(-1)), list(account.lots.unbind(-1))
    quotes = [now[name].unbind(-1) for name in (QUOTED, BID, ASK)]
    rows = zip(*quotes, account.pending.unbind(-1), account.held.unbind(-1))
    for k, (comes, bid, ask, pending, held) in enumerate(rows):
        unit, lots, entry = terms.lots_per_unit[k], positions[k], entries[k]
        quoted = comes > 0
        order = torch.where(quoted, pending, 0.0)
        left = pending - order
        before, none = lots / unit, order == 0
        price = torch.where(none, entry, torch.where(order > 0, ask, bid))
        denied = ~none & _unaffordable(terms, k, balance, positions, entries, order, price)
        order = torch.where(denied, 0.0, order)
        none = none | denied
        traded = order / unit
        after = lots + order
        value = traded.abs() * price
        fee = money(value * terms.fee_rate)
        opposite = lots * order < 0
        closed = torch.where(opposite, torch.minimum(traded.abs(), before.abs()), 0.0) * torch.sign(before)
        balance = balance + money(closed * (price - entry)) - fee
        opened = (after != 0) & (lots * after <= 0)
        grown = (before.abs() * entry + value) / torch.where(after == 0, 1.0, (after / unit).abs())
        added = ~none & ~opposite & ~opened
        entry = torch.where(opened, price, torch.where(added, grown, entry))
        held = torch.where(opened | (after == 0), 0.0, held)
        positions[k], entries[k] = after, entry
        columns.append((after, left, entry, held, denied, traded * price, value, fee))
    lots, left, entry, held, denied, bought, value, fee = (torch.stack(column, -1) for column in zip(*columns))
    account = account._replace(balance=balance, lots=lots, pending=left, entry=entry, held=held)
    return account, denied, bought, value, fee


def _settle(terms: Terms, account: Account, now: Columns) -> tuple[Account, Tensor]:
    """Pay the funding that falls due after the fills."""
    paid = money(account.lots / terms.lots_per_unit * now[FUNDING_AFTER])
    return account._replace(balance=account.balance - paid.sum(-1)), paid


def _unaffordable(
    terms: Terms, k: int, balance: Tensor, lots: list[Tensor], entry: list[Tensor], order: Tensor, price: Tensor
) -> Tensor:
    """Tell which orders the venue denies: more initial margin, or cash, than is free; what reduces a position is never denied."""
    quantity = [held / unit for held, unit in zip(lots, terms.lots_per_unit.unbind(-1))]
    size = order.abs() / terms.lots_per_unit[k]
    if terms.margin:
        taken = sum(
            (q.abs() * e * share for q, e, share in zip(quantity, entry, terms.maintenance.unbind(-1))),
            torch.zeros_like(balance),
        )
        reduces = (quantity[k] * order < 0) & (order.abs() <= lots[k].abs())
        return (size * price * terms.initial[k] > balance - taken) & ~reduces
    cash = balance - sum((q * e for q, e in zip(quantity, entry)), torch.zeros_like(balance))
    return (order > 0) & (size * price * (1.0 + terms.fee_rate) > cash)


def _liquidate(
    terms: Terms, account: Account, bid: Tensor, ask: Tensor
) -> tuple[Account, Tensor, Tensor, Tensor, Tensor]:
    """Close every position where equity at the quotes is below the maintenance margin; also: who, value sold, value traded, fee."""
    zero = torch.zeros_like(account.lots)
    if not terms.margin:
        return account, torch.zeros_like(account.balance, dtype=torch.bool), zero, zero, zero
    quantity = account.lots / terms.lots_per_unit
    price = torch.where(quantity > 0, bid, ask)
    gain = torch.where(quantity == 0, 0.0, quantity * (price - account.entry))
    margin = (quantity.abs() * account.entry * terms.maintenance).sum(-1)
    fatal = (account.balance + gain.sum(-1) < margin) & (margin > 0)
    gone = fatal[:, None] & (quantity != 0)
    value = torch.where(gone, quantity.abs() * price, 0.0)
    fee = money(value * terms.fee_rate)
    realised = torch.where(gone, money(gain), 0.0)
    closed = account._replace(
        balance=account.balance + (realised - fee).sum(-1),
        lots=torch.where(gone, 0.0, account.lots),
        pending=torch.where(fatal[:, None], 0.0, account.pending),
        held=torch.where(gone, 0.0, account.held),
    )
    return closed, fatal, torch.where(gone, quantity * price, 0.0), value, fee


def _mark(terms: Terms, account: Account, mark: Tensor, traded: Tensor) -> Account:
    """Value the accounts at the next closes, and bring their statistics there."""
    quantity = account.lots / terms.lots_per_unit
    equity = account.balance + (quantity * (mark - account.entry)).sum(-1)
    alive = terms.alive(equity)
    statistics = (account.mean, account.square, account.downside, account.turnover)
    mean, square, downside, turnover = update_statistics(*statistics, equity / account.equity - 1.0, traded / alive)
    return account._replace(
        equity=equity,
        peak_equity=torch.maximum(account.peak_equity, equity),
        mean=mean,
        square=square,
        downside=downside,
        turnover=turnover,
        held=account.held + (account.lots != 0),
    )


def new_day(account: Account, where: Tensor) -> Account:
    """Begin a UTC day where `where`, bool (N,), is true."""
    return account._replace(
        day_equity=torch.where(where, account.equity, account.day_equity),
        orders_today=torch.where(where, 0.0, account.orders_today),
    )


def account_columns(terms: Terms, account: Account, now: Columns) -> Tensor:
    """Position and portfolio columns that a policy is shown, float32 (N K, 13), laid out column by column. Known at: the decision.

    Parameters
    ----------
    now : C of float64 (N, K)
        The turn's columns of `Tape.turns`.
    """
    close = now[CLOSE]
    quantity = account.lots / terms.lots_per_unit
    equity = account.equity[:, None].expand_as(close)
    budget = terms.budget(now, account.equity)
    position = position_columns(quantity, account.entry, close, account.held, budget, equity)
    portfolio = portfolio_columns(
        account.equity,
        account.start_equity,
        account.peak_equity,
        (quantity * close).abs().sum(-1),
        (quantity * (close - account.entry)).sum(-1),
        account.mean,
        account.square,
        account.downside,
        account.turnover,
    )
    shared = [column[:, None].expand_as(close) for column in portfolio]
    return torch.stack([column.float().flatten() for column in (*position, *shared)]).T


def fresh(terms: Terms, accounts: int, instruments: int, device: torch.device) -> Account:
    """Flat accounts with the venue's starting balance, as the engine's account is before its first decision."""
    zero = torch.zeros(accounts, dtype=torch.float64, device=device)
    flat = torch.zeros(accounts, instruments, dtype=torch.float64, device=device)
    full = zero + terms.balance
    kept: dict[str, Any] = {
        name: full.clone() for name in ("balance", "equity", "start_equity", "peak_equity", "day_equity")
    }
    kept |= {name: zero.clone() for name in ("orders_today", "mean", "square", "downside", "turnover")}
    kept |= {name: flat.clone() for name in ("lots", "pending", "held", "smoothed")}
    return Account(**kept, entry=flat + 1.0)
