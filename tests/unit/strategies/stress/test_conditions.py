"""A path cut by regimes sums to the whole, labels know nothing of what comes, and crises are found inside joined spans."""

import datetime as dt

import msgspec
import numpy as np
import pytest

from catalogs.altering import altered_bars, write_copy
from catalogs.arrays import Funding, read_bars
from engine.contract.calendar import to_ns
from engine.contract.config import parse
from strategies.feed import Market
from strategies.stress.conditions import by_regime, in_crises, regime_labels
from strategies.stress.track import Prepared, Track, prepared, traded

HOUR = 3_600_000_000_000


@pytest.fixture(scope="module")
def spans(sample_document):
    data = {**sample_document["data"], "end": dt.date(2021, 2, 1)}
    return prepared([(parse({**sample_document, "data": data}), None)])


@pytest.fixture(scope="module")
def base(spans):
    return traded(spans)


def test_regimes_share_all_turns_and_all_growth(spans, base):
    found = by_regime(spans, base)
    assert found is not None
    assert sum(one.turns for one in found.values()) == len(base)
    assert sum(one.share for one in found.values()) == pytest.approx(1.0)
    assert sum(one.log_growth for one in found.values()) == pytest.approx(np.log(base.equity[-1]))
    assert len(found) >= 3


def test_labels_before_a_changed_future_are_the_same(spans, base, tmp_path):
    (span,) = spans
    bars = span.market.parts[0].bars
    cut = int(base.from_ns[500])
    whole = read_bars(span.config.data.catalog, bars.instrument.instrument_id, bars.bar)
    none = Funding(np.zeros(0, np.int64), np.zeros(0))
    write_copy(tmp_path / "changed", [(altered_bars(whole, cut, 1), none)])
    data = msgspec.structs.replace(span.config.data, catalog=str(tmp_path / "changed"))
    changed = Prepared(msgspec.structs.replace(span.config, data=data), None, span.market)
    one, other = regime_labels(spans, base), regime_labels([changed], base)
    assert one is not None
    assert other is not None
    assert np.array_equal(one[:501], other[:501])
    assert not np.array_equal(one, other)


def test_history_too_short_to_fit_on_gives_no_regimes(sample_document):
    data = {**sample_document["data"], "start": dt.date(2020, 1, 10), "end": dt.date(2020, 1, 20)}
    spans = prepared([(parse({**sample_document, "data": data}), None)])
    assert by_regime(spans, traded(spans)) is None


def test_crisis_across_two_spans_that_touch_is_measured_and_one_in_a_hole_is_not(spans):
    begin, middle, end = (to_ns(dt.datetime(2021, 5, day, tzinfo=dt.UTC)) for day in (1, 20, 31))
    later = end + 240 * HOUR
    ts = np.arange(begin, later, HOUR)
    returns = np.zeros(len(ts))
    crash = int((to_ns(dt.datetime(2021, 5, 19, tzinfo=dt.UTC)) - begin) // HOUR)
    returns[crash], returns[crash + 5] = -0.2, 0.1
    half = np.full(len(ts), 0.5)
    path = Track(ts, ts + HOUR, returns, half, half, 2.0 * returns)

    def spanned(*edges):
        return [Prepared(spans[0].config, None, Market((), edge[0], edge)) for edge in edges]

    (found,) = in_crises(spanned((begin, middle), (middle, later)), path)
    assert found.crisis == "2021-05 China"
    assert found.turns == 21 * 24
    assert found.total_return == pytest.approx(0.8 * 1.1 - 1.0)
    assert found.max_drawdown == pytest.approx(0.2)
    assert found.market_return == pytest.approx(0.6 * 1.2 - 1.0)
    assert found.exposure == 0.5
    assert in_crises(spanned((begin, middle), (middle + HOUR, later)), path) == []
