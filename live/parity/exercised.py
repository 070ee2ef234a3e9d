"""What a proof of parity gave no occasion to check."""

from engine.contract.config import Config
from live.parity.sides import Side

LIQUIDATION = "a liquidation (the simulated venue of a live node has none)"
ORDERS_AT_A_VENUE = "orders at a venue: fills are simulated in both"
QUOTES = "quotes of an exchange: those replayed are made of bars, as the back test's are"


def not_exercised(config: Config, side: Side, settlements: int) -> list[str]:
    """Name what the run of a configuration did not touch.

    Parameters
    ----------
    side
        The back test.
    settlements
        Payments of funding in it.
    """
    missing = [] if side.fills else ["a fill"]
    if not any(entry.gate.startswith("refused:") for entry in side.entries):
        missing.append("a refusal of the gate")
    if len(config.universe.instruments) == 1:
        missing.append("more than one instrument")
    elif not any(entry.missing for entry in side.entries):
        missing.append("a turn with a missing bar")
    for name in ("regime", "changepoint", "risk_budget", "breaker"):
        if getattr(config.actors, name) is None:
            missing.append(f"the {name.replace('_', ' ')} actor")
    if config.actors.breaker is not None and not side.changes:
        missing.append("a trip of the breaker")
    if config.strategy_name != "policy":
        missing.append("a policy: the strategy is a rule")
    if not settlements:
        missing.append("a payment of funding")
    if not any(fill.order_key.startswith("liquidation") for fill in side.fills):
        missing.append(LIQUIDATION)
    if config.rehearsal.faults:
        missing.append("the faults of [rehearsal]: they are left out")
    return [*missing, ORDERS_AT_A_VENUE, QUOTES]
