"""Harder terms: what costs take is what was traded times the cost, and the break-even is where nothing is left."""

import datetime as dt

import pytest

from engine.contract.config import parse
from strategies.stress.terms import costs, delayed
from strategies.stress.track import prepared, traded


@pytest.fixture(scope="module")
def spans(sample_document):
    data = {**sample_document["data"], "end": dt.date(2021, 2, 1)}
    return prepared([(parse({**sample_document, "data": data}), None)])


@pytest.fixture(scope="module")
def base(spans):
    return traded(spans)


def test_higher_costs_leave_less_and_the_break_even_is_found_without_any(spans, base):
    found, paths = costs(spans, base)
    total = [found.multiples[name].total_return for name in ("0", "1", "2", "4")]
    assert total == sorted(total, reverse=True)
    assert found.charged_bps == 6.0
    free = paths["0"]
    assert found.break_even_bps == pytest.approx(free.returns.sum() / free.turnover.sum() * 1e4)
    assert found.cost_multiple == pytest.approx(found.break_even_bps / 6.0)
    paid = (free.returns.sum() - paths["2"].returns.sum()) / paths["2"].turnover.sum() * 1e4
    assert paid == pytest.approx(12.0, rel=0.1)
    assert paths["1"] is base


def test_bar_of_delay_trades_about_as_much_at_other_prices(spans, base):
    late = delayed(spans)
    assert len(late) == len(base)
    assert late.turnover.sum() == pytest.approx(base.turnover.sum(), rel=0.3)
    assert late.returns.sum() != base.returns.sum()
