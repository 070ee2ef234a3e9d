"""Catching up: what a session that goes on hears of the market that it missed."""

import time

from live.exchange import ExchangeConnection
from live.feeding import Feeder
from live.recording.rows import DecideAfter, Past
from live.recovery.resuming import Recovery
from strategies.assembly import Assembly


async def catch_up(
    recovery: Recovery, connection: ExchangeConnection, assembly: Assembly, feeder: Feeder, count: int
) -> str:
    """Hear the bars that closed while nobody listened; of those only the last one decides, and only where it is not too late.

    The engine sends no order without a price: the last bar of before is heard first, by the engine alone; its turn is over.

    Parameters
    ----------
    count
        Bars that are asked for: those that a warm-up takes.

    Returns
    -------
    What was done, for a person.
    """
    closed = await connection.history(count) if recovery.turn_ns >= 0 else []
    for bar in {str(one.bar_type): one for one in closed if one.ts_event <= recovery.turn_ns}.values():
        await feeder.hear(bar)
    await recovery.look_again(connection, assembly)
    if recovery.turn_ns < 0:
        return "no turn was durable: begins anew"
    missed = [bar for bar in closed if bar.ts_event > recovery.turn_ns]
    last = missed[-1].ts_event if missed else recovery.turn_ns
    decides = bool(missed) and recovery.is_due(last, connection.session.clock.now_ns())
    past = [bar for bar in missed if not decides or bar.ts_event < last]
    await feeder.take(DecideAfter(time.time_ns(), past[-1].ts_event if past else recovery.turn_ns))
    for bar in past:
        await feeder.take(Past(bar))
    for bar in missed[len(past) :]:
        if connection.gate is not None:
            connection.gate.hear_price(str(bar.bar_type.instrument_id), float(bar.close))
        await feeder.take(bar)
    decided = "the last one was decided on" if decides else "none was decided on"
    return f"{len(missed):,} bars closed meanwhile, {decided}; goes on"
