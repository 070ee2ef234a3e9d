"""The log of orders: one with the turn it stands in, durable by itself beside one, and read again exactly."""

from pathlib import Path

import pytest

from engine.journal.blotter import Blotter, Fill, Order
from engine.journal.journal import Entry
from engine.journal.order_log import CANCEL, INTENT, TRADE, Intended, OrderLog, Traded
from engine.journal.store import Store

MEANT = Intended("7:A.X", "H-1", 0, -0.5, 100.0, "STOP_LIMIT", "99.50", "99.75", "GTC", False, True, 42, 3, 1)
TRADED = Traded("7:A.X", "H-1", "t9", 0, -0.5, 99.4, 0.01, 43)


def entry(seq: int) -> Entry:
    return Entry(seq, "A.X", seq, "p", "", "", "{}", 0.0, 0.0, 1.0, 0.0, 1.0, "{}", "hold", "", "")


def test_rows_come_back_in_order_as_they_were_written(tmp_path: Path):
    with Store(tmp_path / "s") as store:
        log = OrderLog(store)
        log.write(INTENT, MEANT)
        log.write(TRADE, TRADED)
        log.write(CANCEL, ["H-1"])
    with Store(tmp_path / "s") as store:
        rows = list(OrderLog(store).rows())
    assert [number for number, _, _ in rows] == [0, 1, 2]
    assert (Intended(*rows[0][2]), Traded(*rows[1][2]), rows[2][2]) == (MEANT, TRADED, ["H-1"])


def test_row_that_was_not_committed_is_gone_after_a_kill_and_one_that_was_stays(tmp_path: Path):
    store = Store(tmp_path / "s")
    log = OrderLog(store)
    log.write(INTENT, MEANT)
    log.commit()
    log.write(TRADE, TRADED)
    store.abandon()
    with Store(tmp_path / "s") as again:
        assert [kind for _, kind, _ in OrderLog(again).rows()] == [INTENT]


def test_turn_that_is_undone_takes_its_rows_and_the_chain_goes_on_from_before(tmp_path: Path):
    with Store(tmp_path / "s") as store:
        log = OrderLog(store)
        store.append(entry(1))
        log.write(INTENT, MEANT)
        log.commit()
        head = store.decisions_sha256
        store.append(entry(2))
        log.write(CANCEL, ["H-1"])
        store.undo()
        assert (store.decisions_sha256, len(store), len(log)) == (head, 1, 1)
        store.append(entry(3))
        log.write(TRADE, TRADED)
    with Store(tmp_path / "s") as again:
        assert [one.seq for one in again.entries()] == [1, 3]
        assert [kind for _, kind, _ in OrderLog(again).rows()] == [INTENT, TRADE]


def test_blotter_made_again_from_what_it_kept_is_the_same(tmp_path: Path):
    import numpy as np

    kept: list[tuple[str, list[object]]] = []
    blotter = Blotter(["A.X"])
    blotter.keep = lambda kind, fields: kept.append((kind, list(fields)))
    order = Order("7:A.X", "H-1", 42, -1, "A.X", -0.5, 100.0, "held")
    blotter.order(order)
    blotter.order(order._replace(status="filled"))
    blotter.fill(Fill("7:A.X", 43, "A.X", -1, 0.5, 99.4, 0.01, 99.4, "venue"))
    blotter.equity(44, 1000.0, 999.0, 0.05, *(np.array([value]) for value in (-0.5, -0.05, -0.1, 99.4)))
    again = Blotter(["A.X"])
    for kind, fields in kept:
        again.again(kind, fields)
    for name in ("orders_table", "fills_table", "equity_table", "changes_table"):
        assert getattr(again, name)() == getattr(blotter, name)(), name
    assert again.orders["7:A.X"].status == "filled"


@pytest.mark.parametrize("turns", [1, 3])
def test_store_says_whether_something_waits_to_be_committed(tmp_path: Path, turns: int):
    with Store(tmp_path / "s", turns_per_commit=turns) as store:
        assert not store.open_turn
        store.append(entry(1))
        assert store.open_turn
        store.commit()
        assert not store.open_turn
