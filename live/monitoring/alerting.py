"""When an alert is told: findings, the state before and a time give notices and the state after.

Pure. An alert is told when its finding comes, to each channel once per cooldown while it lasts, to more people when nobody acknowledged it
in time, and never again after it was acknowledged until it is gone. One that becomes critical is a new one. The state is kept between
processes, so that a restart repeats nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from engine.contract.alerts import Alerts
from live.monitoring.findings import Finding, Recent, Severity

Kind = Literal["fired", "repeated", "escalated", "acknowledged", "cleared", "failed"]
FORGOTTEN_SECS = 86_400.0
"""An alert that is gone is forgotten after so long, or after its cooldown where that is longer."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `alerts.jsonl`, and what is sent where `channels` names any.

    Attributes
    ----------
    ts_ns
        Wall clock, UTC ns.
    kind
        `fired`, `repeated` after a cooldown, `escalated`, `acknowledged`, `cleared`, or `failed`: a channel did not take it.
    key, rule, severity, title, text
        Of the finding.
    channels
        Names of those that it is sent to; of a failed one, those that did not take it.
    by
        Who acknowledged.
    """

    ts_ns: int
    kind: Kind
    key: str
    rule: str
    severity: Severity
    title: str
    text: str
    channels: list[str] = []
    by: str = ""


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word that an alert is being dealt with; wall clock, UTC ns."""

    key: str
    by: str
    ts_ns: int


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one alert.

    Attributes
    ----------
    finding
        The last one.
    since_ns
        When this episode began.
    sent_ns
        Channel to when it was last sent there, also in an episode before: one that comes back waits for the rest of the cooldown.
    cleared_ns
        When it went; 0 while it stands.
    escalated
        Whether the escalation channels have heard of this episode.
    acknowledged_by
        Who acknowledged this episode; "" where nobody did.
    """

    finding: Finding
    since_ns: int
    sent_ns: dict[str, int] = {}
    cleared_ns: int = 0
    escalated: bool = False
    acknowledged_by: str = ""


class AlertState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the next step needs: alerts by key, and what the rules remember."""

    alerts: dict[str, Standing] = {}
    recent: Recent = Recent()


def step(
    findings: Iterable[Finding],
    state: AlertState,
    acknowledgements: Mapping[str, Acknowledgement],
    alerts: Alerts,
    now_ns: int,
) -> tuple[list[Notice], AlertState]:
    """Advance to a look.

    Parameters
    ----------
    findings
        Of this look, each key once.
    state
        After the last look.
    acknowledgements
        The last one of each key.
    now_ns
        Wall clock, UTC ns.
    """
    notices: list[Notice] = []
    after: dict[str, Standing] = {}
    present = {finding.key: finding for finding in findings}
    for key, finding in present.items():
        before = state.alerts.get(key)
        after[key] = _stands(finding, before, acknowledgements.get(key), alerts, now_ns, notices)
    for key, before in state.alerts.items():
        if key in present:
            continue
        if not before.cleared_ns:
            notices.append(_notice("cleared", before.finding, now_ns))
            before = msgspec.structs.replace(before, cleared_ns=now_ns)
        if now_ns - before.cleared_ns < max(FORGOTTEN_SECS, alerts.cooldown_secs) * 1e9:
            after[key] = before
    return notices, msgspec.structs.replace(state, alerts=after)


def _stands(
    finding: Finding,
    before: Standing | None,
    acknowledgement: Acknowledgement | None,
    alerts: Alerts,
    now_ns: int,
    notices: list[Notice],
) -> Standing:
    if before is None or (before.finding.severity != "critical" and finding.severity == "critical"):
        standing = Standing(finding=finding, since_ns=now_ns)
    elif before.cleared_ns:
        standing = Standing(finding=finding, since_ns=now_ns, sent_ns=before.sent_ns)
    else:
        standing = msgspec.structs.replace(before, finding=finding)
    if acknowledgement is not None and not standing.acknowledged_by and acknowledgement.ts_ns >= standing.since_ns:
        standing = msgspec.structs.replace(standing, acknowledged_by=acknowledgement.by)
        notices.append(_notice("acknowledged", finding, now_ns, by=acknowledgement.by))
    if standing.acknowledged_by:
        return standing
    late = now_ns - standing.since_ns >= alerts.escalate_after_secs * 1e9
    escalated = bool(alerts.escalation) and (standing.escalated or late)
    named = dict.fromkeys([*alerts.channels, *(alerts.escalation if escalated else [])])
    cooldown_ns = alerts.cooldown_secs * 1e9
    due = [name for name in named if name not in standing.sent_ns or now_ns - standing.sent_ns[name] >= cooldown_ns]
    if escalated and not standing.escalated:
        notices.append(_notice("escalated", finding, now_ns, due))
    elif due:
        first = all(sent_ns < standing.since_ns for sent_ns in standing.sent_ns.values())
        notices.append(_notice("fired" if first else "repeated", finding, now_ns, due))
    sent_ns = standing.sent_ns | dict.fromkeys(due, now_ns)
    return msgspec.structs.replace(standing, escalated=escalated, sent_ns=sent_ns)


def _notice(kind: Kind, finding: Finding, now_ns: int, channels: list[str] | None = None, by: str = "") -> Notice:
    return Notice(
        ts_ns=now_ns,
        kind=kind,
        key=finding.key,
        rule=finding.rule,
        severity=finding.severity,
        title=finding.title,
        text=finding.text,
        channels=channels or [],
        by=by,
    )
