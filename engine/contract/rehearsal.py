"""[rehearsal]: the exchange on loopback that a configuration is rehearsed on, and the faults scripted into it."""

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import msgspec

from engine.contract.errors import ConfigError, broken
from engine.contract.section import Count, Fraction, Positive, Section, Share

if TYPE_CHECKING:
    from engine.contract.config import Config

RequestFault = Literal[
    "rate_limited",
    "banned",
    "maintenance",
    "drop_before_accept",
    "error_after_accept",
    "drop_after_accept",
    "hang_after_accept",
    "truncate_after_accept",
]
OrderFault = Literal["partial_fill", "below_minimum", "cancel_fill_race"]
PushFault = Literal["duplicate_trade", "late_trade", "book_gap"]
TapeFault = Literal["websocket_drop", "mute_socket", "clock_skew"]
FaultKind = Literal[RequestFault, OrderFault, PushFault, TapeFault]

REQUEST_FAULTS: tuple[str, ...] = get_args(RequestFault)
ORDER_FAULTS: tuple[str, ...] = get_args(OrderFault)
PUSH_FAULTS: tuple[str, ...] = get_args(PushFault)
TAPE_FAULTS: tuple[str, ...] = get_args(TapeFault)

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]


class Fault(Section, frozen=True):
    """[[rehearsal.faults]]: one scripted misfortune, struck at counted occasions.

    Attributes
    ----------
    kind
        What happens. Request faults strike a request or a websocket command; `partial_fill` and `below_minimum` an order that is
        placed, `cancel_fill_race` one that is cancelled; `duplicate_trade` and `late_trade` a trade message to its owner, `book_gap` a
        depth message; the others a moment of the tape.
    on
        The action that a request fault strikes: `order.place`, `order.cancel`, `order.query`, `account`, `klines`, …, or `*` for any. For
        `websocket_drop` and `mute_socket`, the sockets: `market`, `user`, `commands`, or `*`.
    nth
        The first occasion that is struck, counted from 1 among those of its kind and action since the fault was added.
    count
        How many in a row are struck; None: all that follow.
    chance
        Share of those occasions that are struck, drawn from the seed.
    at
        Occasions before this time of the tape do not count; UTC.
    retry_after_secs
        Of `rate_limited`, `banned` and `maintenance`.
    seconds
        How long `hang_after_accept` says nothing, and the skew of `clock_skew`.
    fraction
        Of `partial_fill`: the part of an order's rest that one quote fills.
    """

    kind: FaultKind
    on: str | None = None
    nth: Count = 1
    count: Count | None = 1
    chance: Share = 1.0
    at: dt.datetime | None = None
    retry_after_secs: Annotated[int, msgspec.Meta(ge=0)] = 1
    seconds: float = 60.0
    fraction: Fraction = 0.5


class Rehearsal(Section, frozen=True):
    """[rehearsal]: how the exchange replays the catalog, and what it does to its clients.

    Attributes
    ----------
    pace
        `stepwise`: the tape waits to be told; `real_time`: at `speed` tape seconds a second; `fast`: as fast as it goes.
    speed
        Tape seconds per second of `real_time`.
    quotes
        `bars`: made of bars where [venue] fill says, as in a back test; `catalog`: the quotes that the catalog holds.
    path
        Of quotes made of bars: `open`, one a bar; `ohlc`, three more a bar, at its extremes (the one nearer to the open first) and its
        close, so that resting orders meet the whole bar.
    quote_size
        Size at the best price, in base units; None: what no order exhausts. Beyond it a market order pays a tick more a level.
    depth_levels
        Levels a side of the published book.
    spot_commission
        What a spot buyer pays commission in: `quote`, as a back test charges it (and as an exchange does that takes a discount coin),
        or `received`, which leaves the position short of its size.
    max_leverage
        The largest that a client may set.
    weight_per_min, orders_per_10_secs
        Limits of requests; None: those of the exchange that is imitated.
    tls_port, spot_port, usdm_port, control_port
        0: any that is free.
    withdrawals
        What the exchange says of its key when asked for its restrictions: whether it may withdraw. It never can.
    state
        File that the venue's orders, balances and positions are kept in, so that it outlives its process; None: nowhere.
    seed
        Of what is drawn: chances of faults. None: [run] seed.
    """

    pace: Literal["stepwise", "real_time", "fast"] = "real_time"
    speed: Positive = 1.0
    quotes: Literal["bars", "catalog"] = "bars"
    path: Literal["open", "ohlc"] = "open"
    quote_size: Positive | None = None
    depth_levels: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    spot_commission: Literal["quote", "received"] = "quote"
    max_leverage: Annotated[int, msgspec.Meta(ge=1, le=125)] = 20
    weight_per_min: Count | None = None
    orders_per_10_secs: Count | None = None
    tls_port: Port = 0
    spot_port: Port = 0
    usdm_port: Port = 0
    control_port: Port = 0
    withdrawals: bool = False
    state: str | None = None
    seed: Annotated[int, msgspec.Meta(ge=0)] | None = None
    faults: list[Fault] = msgspec.field(default_factory=list)


def check_rehearsal(config: "Config", where: str) -> None:
    """Refuse what [rehearsal] cannot mean.

    Raises
    ------
    ConfigError
        A path through bars is asked for where quotes are not made of bars.
    """
    section = config.rehearsal
    if section.path == "ohlc" and section.quotes != "bars":
        raise ConfigError(
            broken("rehearsal.path", 'be "open" where rehearsal.quotes is "catalog"', section.path, where, "remove it")
        )
