"""`huracan policy shadow | canary | promote | rollback | history`: who decides, and how it came to that."""

import datetime as dt
import getpass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from engine.console import emit, out, table
from engine.contract.calendar import iso, to_ns
from engine.contract.errors import UsageError, broken
from engine.policy.assignment import Assignment
from engine.policy.history import REGISTRY, History
from engine.policy.promotion import place, roll_back
from strategies.commands.options import Json

Policy = Annotated[str, typer.Argument(help="NAME@VERSION or a policy folder.", show_default=False)]
Why = Annotated[str, typer.Option("--why", help="The reason, for the history.")]
By = Annotated[str | None, typer.Option("--by", help="Who does it; the user of this process if not given.")]
Of = Annotated[str | None, typer.Option("--of", help="Name whose place it takes; its own if not given.")]
Expires = Annotated[str | None, typer.Option("--expires", help="Day from which it may take no place: YYYY-MM-DD.")]
Root = Annotated[Path, typer.Option("--registry", help="Folder of the registry.")]


def shadow(
    policy: Policy,
    why: Why = "",
    by: By = None,
    of: Of = None,
    expires: Expires = None,
    registry: Root = REGISTRY,
    as_json: Json = False,
) -> None:
    """Let a policy decide beside the champion: its decisions are journaled, no order follows from them."""
    found = place("shadow", policy, by or _user(), why, expires_ns=_expiry(expires), of=of, root=registry)
    show(*found, "shadow", as_json)


def canary(
    policy: Policy,
    share: Annotated[float, typer.Option(help="Share of the budget; a session's lifecycle.max_share caps it.")] = 0.1,
    why: Why = "",
    by: By = None,
    of: Of = None,
    expires: Expires = None,
    registry: Root = REGISTRY,
    as_json: Json = False,
) -> None:
    """Let a policy decide on a share of the budget, under the paired test that sends it back when it is worse."""
    found = place("canary", policy, by or _user(), why, share=share, expires_ns=_expiry(expires), of=of, root=registry)
    show(*found, "canary", as_json)


def promote(
    policy: Policy,
    why: Why = "",
    by: By = None,
    of: Of = None,
    expires: Expires = None,
    registry: Root = REGISTRY,
    as_json: Json = False,
) -> None:
    """Make a policy champion; stages that it did not pass are in the history, by your word."""
    found = place("promote", policy, by or _user(), why, expires_ns=_expiry(expires), of=of, root=registry)
    show(*found, "promote", as_json)


def rollback(
    policy: Annotated[
        str, typer.Argument(help="NAME: its candidate, else its champion; or NAME@VERSION.", show_default=False)
    ],
    why: Why = "",
    by: By = None,
    of: Of = None,
    registry: Root = REGISTRY,
    as_json: Json = False,
) -> None:
    """Take the candidate's place away; without a candidate, bring the champion before back."""
    show(*roll_back(policy, by or _user(), why, of=of, root=registry), "rollback", as_json)


def history(
    name: Annotated[str, typer.Argument(help="Name of the policy.", show_default=False)],
    registry: Root = REGISTRY,
    as_json: Json = False,
) -> None:
    """Verify and list every change of places; assignment.json is written again from it."""
    found = History(name, registry)
    rows = found.rows()
    if not rows:
        raise UsageError(broken("policy", "have a history", name, str(registry), "huracan policy promote begins one"))
    now = found.repair()
    document = {**places(now), "name": name, "history": [msgspec.to_builtins(row) for row in rows]}
    columns = ("when", "event", "policy", "by", "why")
    cells = [
        (iso(row.ts_ns), row.event, row.seat.policy if row.seat else row.evidence.get("policy", ""), row.by, row.why)
        for row in rows
    ]
    emit(document, as_json, lambda: table(columns, cells))


def places(now: Assignment) -> dict[str, Any]:
    """Return who has a place, the champion first, and the assignment."""
    seats = [(now.champion, "champion"), (now.candidate, str(now.stage))]
    policies = [
        {"name": seat.name, "version": seat.version, "path": seat.path, "role": role, "expires": _day(seat.expires_ns)}
        for seat, role in seats
        if seat is not None
    ]
    return {"policies": policies, "share": now.share}


def show(found: History, now: Assignment, event: str, as_json: bool) -> None:
    """Print what came of a change."""
    last = found.rows()[-1]
    document = {**places(now), "name": found.name, "event": event, "chain": last.chain, "evidence": last.evidence}

    def render() -> None:
        for one in document["policies"]:
            share = f", share {now.share:g}" if one["role"] == "canary" else ""
            out.print(f"{one['role']:<9} {one['name']}@{one['version']}{share}  {one['path']}", markup=False)
        if missed := last.evidence.get("stages_skipped"):
            out.print(f"not passed: {', '.join(missed)}", markup=False)

    emit(document, as_json, render)


def _expiry(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        day = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(broken("--expires", "be a day, YYYY-MM-DD", text)) from error
    return to_ns(day if day.tzinfo is not None else day.replace(tzinfo=dt.UTC))


def _day(expires_ns: int | None) -> str | None:
    return None if expires_ns is None else iso(expires_ns)


def _user() -> str:
    return getpass.getuser()
