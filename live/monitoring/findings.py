"""The rules: what of a session's status somebody should be told.

Pure: a status, the thresholds and a time give the findings. What a rule compares over time (orders of the last hour, gaps) is in `Recent`,
which is handed in and out.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from engine.contract.alerts import Alerts
from engine.contract.calendar import bar_ns, iso
from live.monitoring.status import Status

Severity = Literal["info", "warning", "critical"]
HOUR_NS = 3_600 * 1_000_000_000
DAY_NS = 24 * HOUR_NS


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a rule found.

    Attributes
    ----------
    rule
        As in [alerts] off.
    key
        What is the same from one look to the next: the rule, and what it is about (`breaker:drawdown:account`).
    title
        A line without values that change from look to look.
    text
        Value, bound and place.
    """

    rule: str
    key: str
    severity: Severity
    title: str
    text: str


class Recent(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules remember of earlier looks.

    Attributes
    ----------
    asked
        Looks of the last hour at which a count had changed: wall clock UTC ns, orders that were wanted, those that were refused.
    gaps
        Missing bars and skipped turns at the last look; None before the first.
    gap_ns
        Wall clock of the last look that saw a new gap, UTC ns.
    """

    asked: tuple[tuple[int, int, int], ...] = ()
    gaps: int | None = None
    gap_ns: int = 0


GAP_STANDS_SECS = 60.0
"""How long a gap counts as found after it was seen."""


def look(status: Status, alerts: Alerts, recent: Recent, now_ns: int) -> tuple[list[Finding], Recent]:
    """Hold a status to the rules.

    Parameters
    ----------
    status
        As `live.monitoring.status.read_status` gives it.
    recent
        What the last look handed out.
    now_ns
        Wall clock, UTC ns.

    Returns
    -------
    Findings in the order of the rules, none of a run that has ended; and what the next look needs.
    """
    recent = _remember(status, recent, now_ns)
    found = [one for one in _found(status, alerts, recent, now_ns) if one.rule not in alerts.off]
    return found, recent


def _remember(status: Status, recent: Recent, now_ns: int) -> Recent:
    counts, gaps = status.counts, status.gaps.missing_bars + status.gaps.skipped_turns
    refused = counts.refused + counts.rejected
    wanted = counts.orders + counts.refused
    asked = recent.asked
    if asked and wanted < asked[-1][1]:
        asked = ()
    if not asked or (wanted, refused) != asked[-1][1:]:
        asked = (*asked, (now_ns, wanted, refused))
    inside = [one for one in asked if one[0] > now_ns - HOUR_NS]
    before = [one for one in asked if one[0] <= now_ns - HOUR_NS][-1:]
    fresh = recent.gaps is not None and gaps > recent.gaps
    return Recent(asked=(*before, *inside), gaps=gaps, gap_ns=now_ns if fresh else recent.gap_ns)


def _found(status: Status, alerts: Alerts, recent: Recent, now_ns: int) -> Iterator[Finding]:
    if status.seen == "ended":
        return
    if status.seen == "gone":
        text = f"process {status.pid} ended without an end of the run; positions are as it left them: {_held(status)}"
        yield Finding(rule="process", key="process", severity="critical", title="the process is gone", text=text)
    if status.seen == "hung":
        text = f"process {status.pid} wrote nothing since {iso(status.wall_ns)}"
        yield Finding(rule="process", key="process", severity="critical", title="the process hangs", text=text)
    yield from _risk(status, alerts)
    if status.seen != "running":
        return
    yield from _data(status, alerts, recent, now_ns)
    yield from _orders(status, alerts, recent)
    yield from _process(status, alerts, now_ns)


def _held(status: Status) -> str:
    held = [f"{one.instrument_id} {one.quantity:+g}" for one in status.positions if one.quantity]
    return ", ".join(held) or "none"


def _risk(status: Status, alerts: Alerts) -> Iterator[Finding]:
    for one in status.breakers:
        if one.state in ("reduce", "halt"):
            allowed = "" if one.limit is None else f" (limit {one.limit:g})"
            value = "" if one.value is None else f"{one.value:.6g}"
            text = f"{one.meaning}: {value}{allowed}, {one.state} {one.scope}; ends by {one.release}"
            severity: Severity = "critical" if one.state == "halt" else "warning"
            key = f"breaker:{one.control}:{one.scope}"
            title = f"breaker {one.control} tripped"
            yield Finding(rule="breaker", key=key, severity=severity, title=title, text=text)
    if status.latch is not None or status.halted:
        latch = status.latch
        text = status.halted if latch is None else f"stopped by {latch.by}: {latch.reason}"
        yield Finding(rule="halt", key="halt", severity="critical", title="the session is halted", text=text)
    for halt in status.halts:
        text = f"{halt.scope} is halted: {halt.reason}" + (", and is closed" if halt.flatten else "")
        yield Finding(rule="halt", key=f"halt:{halt.scope}", severity="warning", title="halted by hand", text=text)
    if status.drawdown_frac is not None and status.drawdown_frac >= alerts.drawdown_frac:
        text = f"{status.drawdown_frac:.2%} under the peak of {status.peak_equity:,.2f} (threshold {alerts.drawdown_frac:.2%})"
        yield Finding(rule="drawdown", key="drawdown", severity="critical", title="drawdown", text=text)
    if status.day_pnl is not None and status.day_equity > 0.0:
        loss = -status.day_pnl / status.day_equity
        if loss >= alerts.daily_loss_frac:
            text = f"{loss:.2%} lost since 00:00 UTC (threshold {alerts.daily_loss_frac:.2%})"
            yield Finding(rule="daily_loss", key="daily_loss", severity="critical", title="loss of the day", text=text)
    for limit in status.limits:
        used = None if limit.value is None or not limit.bound > 0.0 else limit.value / limit.bound
        if used is not None and used >= alerts.limit_used_frac:
            text = f"{limit.name} of {limit.scope} is {limit.value:.6g} of {limit.bound:.6g}"
            key, title = f"limit:{limit.name}:{limit.scope}", f"limit {limit.name} nearly used up"
            yield Finding(rule="limit", key=key, severity="warning", title=title, text=text)
    for held in status.mismatches:
        text = f"the strategy takes {held.ours:+g} for its position, the engine has {held.engine:+g}"
        key, title = f"mismatch:{held.instrument_id}", f"position of {held.instrument_id} does not match"
        yield Finding(rule="mismatch", key=key, severity="critical", title=title, text=text)


def _data(status: Status, alerts: Alerts, recent: Recent, now_ns: int) -> Iterator[Finding]:
    if status.phase == "trading":
        bar_secs = bar_ns(status.bar) / 1e9
        for one in status.streams:
            if one.age_secs is None or one.kind not in ("quote", "bar") or (one.kind == "bar" and status.rehearsal):
                continue
            age = one.age_secs + max(0.0, (now_ns - status.wall_ns) / 1e9)
            bound = alerts.stale_data_secs + (bar_secs if one.kind == "bar" else 0.0)
            if age > bound:
                text = f"no {one.kind} of {one.instrument_id} for more than {bound:,.0f} s"
                key = f"stale_data:{one.kind}:{one.instrument_id}"
                title = f"{one.kind}s of {one.instrument_id} are stale"
                yield Finding(rule="stale_data", key=key, severity="warning", title=title, text=text)
    if recent.gap_ns and now_ns - recent.gap_ns < GAP_STANDS_SECS * 1e9:
        gaps = status.gaps
        who = ", ".join(gaps.last_instruments) or "every instrument"
        at = "" if gaps.last_ns is None else f", the last one at {iso(gaps.last_ns)} of {who}"
        text = f"{gaps.missing_bars} bars and {gaps.skipped_turns} whole turns did not come since the start{at}"
        yield Finding(rule="gap", key="gap", severity="warning", title="bars are missing", text=text)


def _orders(status: Status, alerts: Alerts, recent: Recent) -> Iterator[Finding]:
    first, last = recent.asked[0], recent.asked[-1]
    wanted, refused = last[1] - first[1], last[2] - first[2]
    if wanted >= alerts.refused_least and refused >= alerts.refused_frac * wanted:
        text = f"{refused} of {wanted} orders of the last hour were refused (threshold {alerts.refused_frac:.0%})"
        yield Finding(rule="refused", key="refused", severity="warning", title="orders are refused", text=text)
    bounds = {"bar received to decision": ("decision_time", alerts.decision_ms)}
    if status.mode == "live":
        bounds["decision to order"] = ("order_time", alerts.order_ms)
    for one in status.latencies:
        rule, bound = bounds.get(one.name, ("", 0.0))
        if rule and one.p99_ms > bound:
            text = f"{one.name}: 99 of 100 within {one.p99_ms:.0f} ms (threshold {bound:.0f} ms)"
            yield Finding(rule=rule, key=rule, severity="warning", title=f"{one.name} is slow", text=text)


def _process(status: Status, alerts: Alerts, now_ns: int) -> Iterator[Finding]:
    if status.policy_expires_ns is not None and now_ns > status.policy_expires_ns - alerts.policy_days * DAY_NS:
        days = (status.policy_expires_ns - now_ns) / DAY_NS
        text = f"{status.policy} expires {iso(status.policy_expires_ns)[:10]}, " + (
            f"in {days:.0f} days" if days > 0 else "no live session will start with it"
        )
        severity: Severity = "warning" if days > 0 else "critical"
        yield Finding(rule="policy", key="policy", severity=severity, title="the policy expires", text=text)
    if alerts.memory_mb is not None and status.memory_bytes > alerts.memory_mb * 1e6:
        text = f"{status.memory_bytes / 1e6:,.0f} MB resident (threshold {alerts.memory_mb:,.0f} MB)"
        yield Finding(rule="memory", key="memory", severity="warning", title="memory grows", text=text)
    for one in status.drifting:
        text, key = f"{one.measure} is {one.value:.6g} (threshold {one.bound:.6g})", f"drift:{one.measure}"
        yield Finding(rule="drift", key=key, severity="warning", title="the policy drifts", text=text)
