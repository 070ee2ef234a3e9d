"""A path of returns against a calculation by hand, and spans end to end."""

import datetime as dt

import numpy as np
import pytest

from engine.contract.config import parse
from engine.contract.errors import UsageError
from strategies.stress.pairing import against, paired
from strategies.stress.track import Prepared, Track, figures, prepared, traded
from tests.unit.strategies.conftest import HOUR, T0, bars, market


def path_of(returns, from_ns=None) -> Track:
    count = len(returns)
    begin = HOUR * np.arange(count, dtype=np.int64) if from_ns is None else np.asarray(from_ns)
    zero = np.zeros(count)
    return Track(begin, begin + HOUR, np.asarray(returns, float), zero, zero, zero)


def test_returns_turnover_and_exposure_lie_between_the_turns_they_belong_to(configuration):
    """Long a hundredth at the close of bar 1, filled at 300.6 in bar 2, which closes at 305."""
    path = traded([Prepared(configuration({1: 0.01}), None, market(bars()))])
    quantity = np.floor(10_000 / 205 * 1_000 + 1e-9) / 1_000
    fee = round(300.6 * quantity * 5e-4, 8)
    assert path.from_ns.tolist() == [T0 + k * HOUR for k in range(1, 6)]
    assert path.to_ns.tolist() == [T0 + k * HOUR for k in range(2, 7)]
    assert path.returns[0] == 0.0
    assert path.returns[1] == pytest.approx((quantity * (305 - 300.6) - fee) / 1e6)
    assert path.turnover.tolist() == pytest.approx([0.0, quantity * 300.6 / 1e6, 0.0, 0.0, 0.0])
    assert path.exposure[1] == pytest.approx(quantity * 305 / (1e6 + quantity * 4.4 - fee))
    assert path.market.tolist() == pytest.approx([1 / 105 * 100, 100 / 205, 100 / 305, 100 / 405, 100 / 505])


def test_spans_are_chained_and_each_begins_flat_with_the_balance(sample_document):
    config = parse(sample_document)

    def spanning(start, end):
        return parse({**sample_document, "data": {**sample_document["data"], "start": start, "end": end}})

    first, second = (
        spanning(dt.date(2021, 1, 1), dt.date(2021, 1, 6)),
        spanning(dt.date(2021, 1, 6), dt.date(2021, 1, 9)),
    )
    whole = traded(prepared([(first, None), (second, None)]))
    parts = [traded(prepared([(one, None)])) for one in (first, second)]
    assert np.array_equal(whole.returns, np.concatenate([part.returns for part in parts]))
    assert whole.equity[-1] == pytest.approx(parts[0].equity[-1] * parts[1].equity[-1])
    assert len(whole) == 5 * 24 - 1 + 3 * 24 - 1
    with pytest.raises(UsageError, match="span must begin at or after the end of the one before, 2021-01-09"):
        prepared([(second, None), (first, None)])
    with pytest.raises(UsageError, match="spans must be 1 or more, was 0"):
        prepared([])
    assert figures(whole, config.universe.bar).turns == len(whole)


def test_lost_account_loses_everything_once_and_nothing_after_it():
    path = path_of([0.1, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    found = figures(path, "1-HOUR")
    assert found.total_return == -1.0
    assert found.max_drawdown == 1.0


def test_path_that_does_not_vary_has_no_sharpe_ratio():
    found = figures(path_of(np.zeros(20)), "1-HOUR")
    assert found.sharpe is None
    assert found.sharpe_error is None
    assert found.total_return == 0.0


def test_paths_are_compared_on_the_turns_they_share():
    rng = np.random.default_rng(1)
    returns = rng.normal(0.0, 0.01, 300)
    first, second = path_of(returns), path_of(returns[10:] + 0.004, HOUR * np.arange(10, 300))
    one, other = paired(first, second)
    assert len(one) == len(other) == 290
    assert np.array_equal(one.from_ns, other.from_ns)
    noisy = path_of(returns[10:] + 0.004 + rng.normal(0.0, 0.001, 290), HOUR * np.arange(10, 300))
    assert against(noisy, first).value_per_period > 0.3
    assert against(noisy, first).p_value < 1e-6
