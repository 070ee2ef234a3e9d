"""The live node's side: a paper session on a rehearsal exchange of its own, at the pace of its decisions or at the exchange's."""

from pathlib import Path

import msgspec

from catalogs.altering import write_copy
from catalogs.arrays import Bars, Funding, read_bars, read_funding
from catalogs.manifest import read_manifest
from engine.contract.config import Config
from engine.policy.session import PolicySession
from live.native.connection import connection_of
from live.parity.sides import Side, of_folder
from live.rehearsal.tape import INTERVALS
from live.replay.connection import CatalogConnection
from live.running import Say, execute
from live.venue import Moved, OwnRehearsal
from strategies.feed import COLUMNS, Market

VENUE = "BINANCE"
"""What the rehearsal exchange imitates."""

FRAMES = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
"""Bars that it publishes."""


PATIENCE_SECS = 600.0
"""An exchange that waits for the decisions also says when a turn lacks a bar: no slow machine may say so instead."""


class PacedRehearsal(OwnRehearsal):
    """A rehearsal exchange inside this process that moves by itself, at the speed of its configuration, and waits for nobody."""

    async def step(self) -> Moved | None:
        """Play everything; nothing is left then."""
        await self.exchange.run()
        return None


def why_not_exchange(config: Config) -> str:
    """Say why a configuration cannot trade on the rehearsal exchange; "" where it can."""
    names = config.universe.instruments
    others = sorted({name.rpartition(".")[2] for name in names} - {VENUE})
    if others:
        return f"its instruments are of {', '.join(others)}, not of {VENUE}"
    if len({_perpetual(name) for name in names}) > 1:
        return "its instruments are of two markets, which a session on an exchange cannot trade at once"
    count, _, unit = config.universe.bar.partition("-")
    frame = f"{count}{INTERVALS.get(unit, unit)}"
    return "" if frame in FRAMES else f"it publishes no bars of {frame}"


def _perpetual(name: str) -> bool:
    return name.rpartition(".")[0].endswith("-PERP")


def as_session(config: Config, speed: float | None) -> Config:
    """Return the configuration with the exchange that a proof needs, without faults; what decides stays as it is.

    An exchange that waits for the decisions has the back test's quotes, made of bars; one that moves by itself those of [rehearsal].
    """
    market = "usdm" if _perpetual(config.universe.instruments[0]) else "spot"
    live = msgspec.structs.replace(config.live, rehearsal=True, exchange="binance", market=market, on_stop="keep")
    rehearsal = msgspec.structs.replace(config.rehearsal, faults=[], state=None)
    if speed is None:
        live = msgspec.structs.replace(live, turn_patience_secs=PATIENCE_SECS)
        rehearsal = msgspec.structs.replace(rehearsal, pace="stepwise", quotes="bars", path="open", quote_size=None)
    else:
        rehearsal = msgspec.structs.replace(rehearsal, pace="real_time", speed=speed)
    return msgspec.structs.replace(config, live=live, rehearsal=rehearsal)


def rehearsed(
    config: Config,
    market: Market,
    policy: PolicySession | None,
    folder: Path,
    through_exchange: bool = True,
    speed: float | None = None,
    say: Say = lambda _: None,
) -> tuple[Side, Path]:
    """Run the session.

    Its own catalog ends where its span begins, as the catalog of a session does on the day: a component that looks up what is still to
    come finds nothing there.

    Parameters
    ----------
    market
        As the back test hears it.
    folder
        Where the session's run folder and its catalog are made.
    through_exchange
        Whether the stream comes through the rehearsal exchange; else the catalog feeds the session itself.
    speed
        Seconds of the tape a second, at which the exchange moves by itself; None: it waits for the decisions.

    Returns
    -------
    Its side, and its run folder.
    """
    session = as_session(config, speed)
    past = folder / "catalog"
    write_past(config, market, past)
    knowing = msgspec.structs.replace(session, data=msgspec.structs.replace(session.data, catalog=str(past)))
    if through_exchange:
        venue = (OwnRehearsal if speed is None else PacedRehearsal)(session, private=False)
        connection = connection_of(session, venue)
    else:
        connection = CatalogConnection(session, market)  # type: ignore[assignment]
    found, _ = execute(knowing, policy, connection, "paper", folder / "runs", say=say)
    return of_folder(found, None if policy is None else policy.inference), found


def write_past(config: Config, market: Market, folder: Path) -> None:
    """Write the catalog of a configuration, up to the first decision, as a catalog of its own."""
    held = {one.instrument_id for one in read_manifest(config.data.catalog).datasets if one.kind == "funding"}
    parts: list[tuple[Bars, Funding]] = []
    end_ns = market.first_decision_ns
    for part in market.parts:
        name, bar = part.bars.instrument.instrument_id, part.bars.bar
        whole = read_bars(config.data.catalog, name, bar)
        known = whole.ts_close <= end_ns
        if not known.any():
            continue
        columns = {column: getattr(whole, column)[known] for column in COLUMNS}
        funding = read_funding(config.data.catalog, name) if name in held else part.funding
        before = funding.ts <= end_ns
        parts.append(
            (Bars(instrument=whole.instrument, bar=bar, **columns), Funding(funding.ts[before], funding.rate[before]))
        )
    folder.mkdir(parents=True, exist_ok=True)
    if parts:
        write_copy(folder, parts)
