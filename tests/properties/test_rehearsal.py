"""Whatever is asked of a venue, its books balance, and a restored one goes on as the old one would have."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from live.rehearsal.refusals import Refused
from tests.unit.live.rehearsal.venues import SYMBOL, ask_for, quote, venue

D = Decimal
LIFE = settings(max_examples=60, derandomize=True, deadline=None)

PRICES = st.integers(5_000, 15_000).map(lambda cents: D(cents) / 100)
QUOTES = st.tuples(st.just("quote"), PRICES, st.sampled_from([None, "0.5", "2"]))
PLACED = st.tuples(
    st.just("place"),
    st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 4_000).map(lambda n: str(D(n) / 1_000)),
    st.one_of(st.none(), PRICES),
    st.sampled_from(["GTC", "IOC", "FOK", "GTX"]),
    st.booleans(),
    st.one_of(st.none(), PRICES),
    st.one_of(st.none(), st.just(D("0.3"))),
)
CANCELS = st.tuples(st.just("cancel"), st.integers(0, 5))
CLOSES = st.tuples(st.just("close"))
LIVES = st.lists(st.one_of(QUOTES, PLACED, CANCELS, CLOSES), min_size=1, max_size=40)


def live(market, steps, now: int) -> int:
    for step in steps:
        now += 1
        try:
            match step:
                case ("quote", price, size):
                    market.on_quote(SYMBOL, quote(str(price), str(price + D("0.02")), size), now)
                case ("place", side, quantity, price, force, reduce, stop, part):
                    text = None if price is None else str(price)
                    request = ask_for(
                        side, quantity, text, str(now), time_in_force=force, reduce_only=reduce, stop_price=stop
                    )
                    market.place(request, now, part=part)
                case ("cancel", index):
                    open_orders = market.open_orders()
                    if index < len(open_orders):
                        market.cancel(open_orders[index], now)
                case ("close",):
                    market.on_close(SYMBOL)
        except Refused:
            continue
    return now


@given(steps=LIVES)
@LIFE
def test_spot_balances_are_what_the_trades_left_and_locks_are_those_of_open_orders(steps):
    market, _ = venue("spot")
    market.on_quote(SYMBOL, quote("100.00", "100.02"), 1)
    live(market, [step if step[0] != "place" else (*step[:5], False, *step[6:]) for step in steps], 1)
    ledger = market.ledger
    usdt, btc = D("1000"), D(0)
    for trade in market.trades:
        sign = 1 if trade.side == "BUY" else -1
        usdt -= sign * trade.price * trade.quantity + trade.commission
        btc += sign * trade.quantity
    zero = D(0)
    assert abs(ledger.free["USDT"] + ledger.locked.get("USDT", zero) - usdt) < D("1e-15")
    assert abs(ledger.free.get("BTC", zero) + ledger.locked.get("BTC", zero) - btc) < D("1e-15")
    for asset in ("USDT", "BTC"):
        held = sum((order.locked for order in market.open_orders() if order.locked_asset == asset), zero)
        assert abs(ledger.locked.get(asset, zero) - held) < D("1e-15")
    assert all(order.filled <= order.quantity for order in market.orders.values())


@given(steps=LIVES)
@LIFE
def test_wallet_and_position_are_what_the_trades_left(steps):
    market, _ = venue("usdm")
    market.on_quote(SYMBOL, quote("100.00", "100.02"), 1)
    live(market, steps, 1)
    position = market.ledger.positions[SYMBOL]
    signed = [(1 if t.side == "BUY" else -1) * t.quantity for t in market.trades]
    assert position.quantity == sum(signed, D(0))
    assert market.ledger.wallet == D("1000") + sum((t.realized - t.commission for t in market.trades), D(0))
    cash = -sum((q * t.price for q, t in zip(signed, market.trades, strict=True)), D(0))
    realized = sum((t.realized for t in market.trades), D(0))
    assert abs(cash + position.quantity * position.entry_price - realized) < D("1e-6")
    open_ids = {order.order_id for order in market.open_orders()}
    assert set(market.ledger.order_margin) <= open_ids


@given(steps=LIVES, cut=st.integers(0, 40))
@LIFE
def test_restored_venue_lives_on_as_the_old_one(steps, cut):
    old, _ = venue("usdm")
    old.on_quote(SYMBOL, quote("100.00", "100.02"), 1)
    now = live(old, steps[:cut], 1)
    new, _ = venue("usdm")
    new.on_quote(SYMBOL, old.best[SYMBOL], 1)
    new.restore(old.state())
    live(old, steps[cut:], now)
    live(new, steps[cut:], now)
    assert new.state() == old.state()
