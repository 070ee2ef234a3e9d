"""Whatever the order in which the venue's messages come, and however often: every trade is told once, acceptance first, the end last."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from live.adapter.core.events import Accepted, Ended, Filled
from live.adapter.core.ledger import Ledger, Tracked

SYMBOL = "BTC/USDT"


def order(status: str, filled: int) -> tuple[str, dict]:
    return "order", {
        "symbol": SYMBOL,
        "id": "7",
        "clientOrderId": "O",
        "status": status,
        "filled": filled,
        "timestamp": 1,
    }


def trade(number: int, amount: int) -> tuple[str, dict]:
    row = {
        "symbol": SYMBOL,
        "id": str(number),
        "order": "7",
        "side": "buy",
        "amount": amount,
        "price": 5,
        "timestamp": number,
    }
    return "trade", {**row, "fee": {"cost": 0.1, "currency": "USDT"}}


@st.composite
def stories(draw):
    """An order of ten, filled in parts and then filled or cancelled, its messages shuffled and repeated; and what was filled."""
    parts = draw(st.lists(st.integers(1, 4), max_size=4))
    while sum(parts) > 10:
        parts.pop()
    full = sum(parts) == 10
    told = [order("open", sum(parts[:k])) for k in range(len(parts) + 1)]
    told += [trade(k, amount) for k, amount in enumerate(parts, start=1)]
    told.append(order("closed" if full else "canceled", sum(parts)))
    told += draw(st.lists(st.sampled_from(told), max_size=6))
    return draw(st.permutations(told)), parts, full


@given(stories())
@settings(derandomize=True, deadline=None, max_examples=300)
def test_messages_in_any_order_and_number_tell_the_same_story(story):
    messages, parts, full = story
    ledger = Ledger()
    ledger.track(Tracked("O", SYMBOL, "buy", Decimal(10)))
    events = []
    for kind, row in messages:
        events += ledger.hear_order(row) if kind == "order" else ledger.hear_trade(row)
    filled = [event for event in events if isinstance(event, Filled)]
    assert sorted((int(event.trade_id), event.quantity) for event in filled) == list(
        enumerate(map(Decimal, parts), start=1)
    )
    assert isinstance(events[0], Accepted)
    assert sum(isinstance(event, Accepted) for event in events) == 1
    assert [type(event) for event in events[-1:]] == ([Filled] if full else [Ended])
    assert sum(isinstance(event, Ended) for event in events) == (not full)
    assert ledger.undone() == []
