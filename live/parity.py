"""Parity: two runs of one stream of events, held to each other decision by decision and fill by fill."""

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from engine.contract.calendar import iso
from engine.contract.config import Config
from engine.journal.blotter import Fill
from engine.journal.journal import Entry, read
from engine.journal.run import FILLS, JOURNAL
from live.replay.recorded import replay_run
from live.replay.running import replay
from strategies import verification
from strategies.backtest import Outcome, load, run
from strategies.verification import Verdict

FUNDING, LIQUIDATION = "a payment of funding", "a liquidation (the simulated venue of a live node has none)"


def compare(
    left: Sequence[Entry], right: Sequence[Entry], left_fills: Sequence[Fill] = (), right_fills: Sequence[Fill] = ()
) -> Verdict:
    """Compare two journals row by row, then two lists of fills.

    Of fills everything counts: they carry event times and no ids of a venue.

    Returns
    -------
    A verdict whose first difference names the row, the field and both values. Nothing in it says what was not exercised.
    """
    found: list[dict[str, Any]] = verification.compare(list(left), list(right))
    found += _fills(left_fills, right_fills)
    checked = max(len(left), len(right)) + max(len(left_fills), len(right_fills))
    return Verdict(not found, checked, len(found), found[0] if found else None, [])


def _fills(left: Sequence[Fill], right: Sequence[Fill]) -> list[dict[str, Any]]:
    found = []
    for number, (one, other) in enumerate(zip_longest(left, right)):
        if one == other:
            continue
        known = one or other
        assert known is not None
        where = {"ts_event": iso(known.ts_event), "instrument_id": known.instrument_id, "fill": number}
        if one is None or other is None:
            there = ["absent" if side is None else "present" for side in (one, other)]
            found.append({**where, "field": "fill", "was": there[0], "became": there[1]})
            continue
        field = next(name for name in Fill._fields if getattr(one, name) != getattr(other, name))
        found.append({**where, "field": field, "was": getattr(one, field), "became": getattr(other, field)})
    return found


def parity(config: Config) -> Verdict:
    """Back-test a configuration, run it again in a live node with simulated fills, and compare.

    Raises
    ------
    RunFailure
        One of the two did not come to its end.
    """
    market, session = load(config)
    tested, replayed = run(config, market, session), replay(config, market, session)
    verdict = compare(tested.journal.entries, replayed.journal.entries, tested.blotter.fills, replayed.blotter.fills)
    return msgspec.structs.replace(verdict, not_exercised=_not_exercised(tested, config))


def session_parity(folder: Path) -> Verdict:
    """Run a recorded paper session again from its tape, and compare with what it decided and how it was filled.

    Raises
    ------
    UsageError
        The run is no paper session.
    DataError
        Its tape or its journal is damaged.
    """
    again = replay_run(folder)
    rows = pq.read_table(folder / FILLS).to_pylist()
    verdict = compare(read(folder / JOURNAL), again.journal.entries, [Fill(**row) for row in rows], again.blotter.fills)
    missing = [] if rows else ["a fill"]
    return msgspec.structs.replace(verdict, not_exercised=missing)


def _not_exercised(tested: Outcome, config: Config) -> list[str]:
    blotter, gates = tested.blotter, {entry.gate.split(" ")[0] for entry in tested.journal}
    missing = [] if blotter.fills else ["a fill"]
    if "refused:" not in gates:
        missing.append("a refusal of the gate")
    if len(config.universe.instruments) == 1:
        missing.append("more than one instrument")
    elif not any(entry.missing for entry in tested.journal):
        missing.append("a turn with a missing bar")
    if config.actors.breaker is None:
        missing.append("a breaker")
    elif not blotter.changes:
        missing.append("a trip of the breaker")
    if not tested.settlements:
        missing.append(FUNDING)
    if not any(order.startswith("liquidation") for order in {fill.order_key for fill in blotter.fills}):
        missing.append(LIQUIDATION)
    return [*missing, "quotes of an exchange: the replay has those that the back test makes of bars"]
