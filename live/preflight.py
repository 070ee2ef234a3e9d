"""Preflight: everything that must be so before a session may send real orders, each with what was found.

A check that cannot be made fails: what an exchange does not say of a key is not taken to be harmless.
"""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from engine.contract.calendar import iso, to_ns
from engine.contract.config import Config
from engine.journal.run import CONFIG, EQUITY, MANIFEST, STORE, read_json, runs, unfinished
from engine.journal.store import Store
from engine.policy.session import PolicySession
from live.account import Account, OpenOrder
from live.adapter.core.allowed import refuse_live
from live.checks import Check
from live.control import read_latch
from live.deadman import has_timer

AGAINST_LOCAL = "venue against local state"
NS_PER_DAY = 86_400_000_000_000
LOT_SLACK = 0.5
"""Positions that differ by less than so many lots are equal."""


class Local(msgspec.Struct, frozen=True):
    """What the last session on the account knew.

    Attributes
    ----------
    positions
        Instrument to quantity held, signed, base units.
    finished
        Whether it ended in order.
    halted
        Whether it was stopped from outside, which closes positions behind its back.
    """

    run_id: str
    positions: dict[str, float]
    finished: bool
    halted: bool = False


class Found(msgspec.Struct, frozen=True):
    """What the exchange said."""

    skew_ms: float
    replayed: bool
    may_trade: bool | None
    may_withdraw: bool | None
    ip_bound: bool | None
    hedged: bool | None
    total: float
    free: float
    positions: dict[str, float]
    orders: list[str]
    least: dict[str, float]
    lots: dict[str, float]


async def ask(config: Config, account: Account) -> Found:
    """Ask the exchange for everything that is checked."""
    may = await account.permissions()
    total, free = await account.balance(config.venue.currency)
    orders: list[OpenOrder] = await account.open_orders()
    specs = [account.spec(name) for name in config.universe.instruments]
    return Found(
        account.skew_ms,
        config.live.rehearsal,
        may.trade,
        may.withdraw,
        may.ip_bound,
        await account.hedged(),
        total,
        free,
        {name: float(quantity) for name, quantity in (await account.positions()).items()},
        [one.client_order_id or one.order_id for one in orders],
        {spec.instrument_id: spec.min_notional for spec in specs},
        {spec.instrument_id: spec.lot for spec in specs},
    )


def offline(config: Config, policy: PolicySession | None, latch: Path, now_ns: int) -> list[Check]:
    """Check what needs no exchange: the configuration, the policy, the latch."""
    live, limits = config.live, config.limits
    refused = refuse_live(live.exchange, live.market)
    wanted = {"max_drawdown_frac": limits.max_drawdown_frac, "daily_loss_frac": limits.daily_loss_frac}
    missing = [name for name, value in wanted.items() if value is None]
    breaker = config.actors.breaker is not None and config.actors.breaker.get("enabled", True)
    account = "cash" if live.market == "spot" else "margin"
    halted = read_latch(latch)
    return [
        Check("exchange", refused is None, refused or _tested(config)),
        Check(
            "account kind",
            config.venue.account == account,
            f'venue.account is "{config.venue.account}", {account} is needed',
        ),
        Check("limits", not missing, f"not set: {', '.join(missing)}" if missing else _listed(wanted)),
        Check("breaker", breaker, "runs" if breaker else "write [actors.breaker]"),
        _policy(config, policy, now_ns),
        _dead_man(config),
        Check("latch", halted is None, "not halted" if halted is None else str(halted)),
    ]


def _tested(config: Config) -> str:
    live = config.live
    told = f"{live.exchange} {live.market} is on the list of those tested"
    return (
        told
        if live.client == "ccxt"
        else f"{told}, by ccxt; the native client has no second gate and was only rehearsed"
    )


def _dead_man(config: Config) -> Check:
    live = config.live
    if live.dead_man_secs is None:
        return Check("dead man's switch", True, "not used: orders that rest stay when this machine dies")
    there = has_timer(live.exchange, live.market)
    told = f"after {live.dead_man_secs:g} s without a word all orders are cancelled; positions stay"
    return Check("dead man's switch", there, told if there else f"{live.exchange} {live.market} has none: leave it out")


def _policy(config: Config, policy: PolicySession | None, now_ns: int) -> Check:
    if policy is None:
        return Check("policy", True, f"none: the rule {config.strategy_name}")
    most = config.live.max_policy_age_days
    end = trained_until(policy.manifest.data)
    if end is None:
        return Check("policy", most is None, f"{policy.name} does not say until when it was trained")
    days = (now_ns - end) / NS_PER_DAY
    told = f"{policy.name}, trained on data to {iso(end)[:10]}, {days:,.0f} days ago"
    return Check("policy", most is None or days <= most, told + ("" if most is None else f", at most {most} allowed"))


def trained_until(data: Mapping[str, Any]) -> int | None:
    """Return the end of the data that a policy was chosen on, UTC ns; None where its manifest does not say."""
    ends = [one[span][1] for one in data.get("instruments", ()) for span in ("training", "validation") if one.get(span)]
    return max((to_ns(dt.datetime.fromisoformat(end)) for end in ends), default=None)


def online(config: Config, found: Found, local: Local | None, adopt: bool = False) -> list[Check]:
    """Check what the exchange said, also against what the last session knew; `adopt` takes the exchange's word where they differ."""
    live = config.live
    skew = Check(
        "clock",
        found.replayed or abs(found.skew_ms) <= live.max_clock_skew_ms,
        "the rehearsal exchange has the time of its tape"
        if found.replayed
        else f"{found.skew_ms:+.0f} ms, at most {live.max_clock_skew_ms:g} allowed",
    )
    least = max(found.least.values())
    hedged = Check("position mode", not found.hedged, "one-way" if not found.hedged else "hedged: set it to one-way")
    return [
        skew,
        Check("key may trade", found.may_trade is True, _said(found.may_trade)),
        Check("key may not withdraw", found.may_withdraw is False, _said(found.may_withdraw)),
        Check("balance", found.total >= least, f"{found.total:,.2f} {config.venue.currency}, {found.free:,.2f} free"),
        *([] if found.hedged is None else [hedged]),
        _adopted(_state(found, local), adopt),
    ]


def _adopted(check: Check, adopt: bool) -> Check:
    return Check(check.name, True, f"{check.detail}; taken over") if adopt and not check.ok else check


def _state(found: Found, local: Local | None) -> Check:
    known = {} if local is None or (local.halted and not found.positions) else local.positions
    names = sorted({*known, *found.positions})
    differ = [
        f"{name} {found.positions.get(name, 0.0):g} at the venue, {known.get(name, 0.0):g} here"
        for name in names
        if abs(found.positions.get(name, 0.0) - known.get(name, 0.0)) > LOT_SLACK * found.lots.get(name, 0.0)
    ]
    source = "no session before" if local is None else f"run {local.run_id}"
    if differ:
        return Check(AGAINST_LOCAL, False, f"{'; '.join(differ)} ({source})")
    if found.orders and (local is None or local.finished):
        return Check(AGAINST_LOCAL, False, f"{len(found.orders)} open orders: {found.orders[0]} ({source})")
    held = _listed(found.positions) if found.positions else "flat"
    return Check(AGAINST_LOCAL, True, f"{held}, {len(found.orders)} open orders ({source})")


def last_session(config: Config, root: Path) -> Local | None:
    """Return what the newest live session on this account left behind, finished or not; None where there was none."""
    found: list[tuple[float, Path, bool]] = []
    for folders, finished in ((runs(root), True), (unfinished(root), False)):
        for folder in folders:
            manifest = read_json(folder / MANIFEST)
            account = (config.live.exchange, config.live.market, config.live.rehearsal)
            if manifest["mode"] == "live" and account == tuple(
                manifest.get(key) for key in ("exchange", "market", "rehearsal")
            ):
                found.append(((folder / CONFIG).stat().st_mtime, folder, finished))
    if not found:
        return None
    _, folder, finished = max(found, key=lambda one: one[0])
    manifest = read_json(folder / MANIFEST)
    positions = _finished(folder) if finished else _killed(folder, config)
    held = {name: quantity for name, quantity in positions.items() if quantity}
    return Local(manifest["run_id"], held, finished, bool(manifest.get("halted")))


def _finished(folder: Path) -> dict[str, float]:
    told = read_json(folder / MANIFEST).get("positions")
    if told is not None:
        return dict(told)
    row = pq.read_table(folder / EQUITY).slice(-1).to_pylist()
    columns = row[0] if row else {}
    return {key.removeprefix("quantity:"): value for key, value in columns.items() if key.startswith("quantity:")}


def _killed(folder: Path, config: Config) -> dict[str, float]:
    if not (folder / STORE).is_file():
        return {}
    with Store(folder / STORE) as store:
        saved = [one for name in store.components() if (one := store.load(name)) is not None and "account" in one.state]
    if not saved:
        return {}
    held = saved[0].state["account"]["quantity"]
    return dict(zip(config.universe.instruments, map(float, held)))


def _listed(values: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in values.items() if value is not None)


def _said(answer: bool | None) -> str:
    return "the exchange does not say" if answer is None else "yes" if answer else "no"
