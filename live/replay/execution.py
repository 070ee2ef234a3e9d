"""An execution client that sends nothing: it hands on what a venue answered to the session that is replayed."""

import asyncio
from decimal import Decimal
from typing import Any

import nautilus_trader.model as model
from nautilus_trader.config import ExecutionClientConfig
from nautilus_trader.live.clients import ExecutionClient, ExecutionClientFactory
from nautilus_trader.model import AccountBalance, AccountId, AccountType, ClientOrderId, Money, OmsType, TraderId, Venue

from catalogs.instruments import currency
from engine.contract.errors import broken
from live.recording.rows import Answer
from strategies.backtest import RunFailure

PLENTY = Decimal(10) ** 9
"""Held of every currency: the venue's answers say what could be paid for."""

PATIENCE_SECS = 30.0


class AnsweringConfig(ExecutionClientConfig):
    """What an answering client needs.

    Parameters
    ----------
    venue
        Of the instruments.
    currencies
        Of the account.
    spot
        Whether the account is one of cash.
    """

    def __init__(self, venue: str, currencies: tuple[str, ...], spot: bool) -> None:
        self.venue, self.currencies, self.spot = venue, currencies, spot
        self.client: AnsweringClient | None = None

    def __new__(cls, *_args: object, **_kwargs: object) -> "AnsweringConfig":
        """Hand the base class nothing."""
        return super().__new__(cls)


class AnsweringClient(ExecutionClient):
    """Answers orders as they were answered once; commands themselves go nowhere."""

    def __init__(self, *, name: str, config: AnsweringConfig, cache: Any, clock: Any, trader_id: TraderId) -> None:
        super().__init__(
            name=name,
            config=config,
            cache=cache,
            clock=clock,
            trader_id=trader_id,
            venue=Venue(config.venue),
            account_id=AccountId(f"{config.venue}-001"),
            account_type=AccountType.CASH if config.spot else AccountType.MARGIN,
            oms_type=OmsType.NETTING,
        )
        self._answering = config

    async def _connect(self) -> None:
        rows = []
        for code in self._answering.currencies:
            unit = currency(code)
            held = Money.from_decimal(PLENTY, unit)
            rows.append(AccountBalance(held, Money.from_decimal(Decimal(0), unit), held))
        self.generate_account_state(rows, [], True, self.clock.timestamp_ns())
        self._answering.client = self

    async def _disconnect(self) -> None:
        """Nothing was opened."""

    async def answer(self, told: Answer, heard: "asyncio.Queue[tuple[str, str]]") -> None:
        """Hand on one answer, and wait until the strategy has heard it.

        Parameters
        ----------
        heard
            Names and client order ids of the events that the strategy heard.

        Raises
        ------
        RunFailure
            The order was not sent in this replay, or nothing came of the answer.
        """
        order_id = ClientOrderId(told.values["client_order_id"])
        order: Any = self.cache.order(order_id)
        if order is None:
            remedy = "what was decided before differs, or somebody else sent it"
            raise RunFailure(
                broken(f"order {order_id} of the tape", "be sent by the replay", "not", told.event, remedy)
            )
        if told.event == "OrderDenied" and order.is_closed:
            return
        self._handle_event(getattr(model, told.event).from_dict(told.values))
        try:
            async with asyncio.timeout(PATIENCE_SECS):
                while await heard.get() != (told.event, str(order_id)):
                    pass
        except TimeoutError:
            raise RunFailure(
                broken(f"{told.event} of {order_id}", "be heard", f"not within {PATIENCE_SECS:g} s")
            ) from None

    async def _submit_order(self, command: Any) -> None:
        """Do nothing: the answers are on the tape."""

    _submit_order_list = _modify_order = _cancel_order = _cancel_all_orders = _submit_order
    _batch_modify_orders = _batch_cancel_orders = _query_account = _query_order = _submit_order

    async def _generate_mass_status(self, *_args: Any, **_kwargs: Any) -> None:
        """Report nothing: there is no venue."""

    async def _generate_order_status_report(self, command: Any) -> None:
        """Report nothing."""

    async def _nothing(self, command: Any) -> list[Any]:
        """Report nothing."""
        return []

    _generate_order_status_reports = _generate_fill_reports = _generate_position_status_reports = _nothing


class AnsweringFactory(ExecutionClientFactory):
    """Makes answering clients."""

    @staticmethod
    def create(*, name: str, config: Any, cache: Any, clock: Any, trader_id: TraderId) -> AnsweringClient:
        """Make the client of a node."""
        return AnsweringClient(name=name, config=config, cache=cache, clock=clock, trader_id=trader_id)
