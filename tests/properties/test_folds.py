"""No bar of a test, nor any within the embargo before it, is learned from, validated on, or fitted on, whatever the configuration."""

import msgspec
import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.contract.calendar import bar_ns
from engine.contract.config import parse
from engine.contract.walkforward import WalkForward
from strategies.folds import HORIZON_BARS, fold_config, plan

LENGTH = st.integers(2, 60)
HOUR = bar_ns("1-HOUR")


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    train=LENGTH,
    test=LENGTH,
    longer=st.integers(0, 30),
    wider=st.one_of(st.none(), st.integers(0, 20)),
    window=st.integers(1, 30),
    kind=st.sampled_from(["rolling", "expanding"]),
    every=st.integers(1, 4),
    frac=st.sampled_from([0.0, 0.05, 0.2, 0.5]),
    extra=st.integers(0, 300),
    gaps=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 50)), max_size=6),
)
def test_everything_that_a_fold_learns_from_ends_an_embargo_before_its_tests(
    train, test, longer, wider, window, kind, every, frac, extra, gaps
):
    least = window + HORIZON_BARS
    embargo = least if wider is None else least + wider
    steps = np.ones(train + embargo + test + extra, dtype=np.int64)
    for where, missing in gaps:
        steps[where % len(steps)] += missing
    turns = HOUR * np.cumsum(steps)
    section = WalkForward(
        train_bars=train,
        test_bars=test,
        step_bars=test + longer,
        embargo_bars=None if wider is None else embargo,
        window=kind,
        retrain_every=every,
    )
    made = plan(turns, "1-HOUR", section, window, frac)
    place = {int(ts): number for number, ts in enumerate(turns)}
    assert [one.number for one in made.tests] == list(range(1, len(made.tests) + 1))
    previous = 0
    for training in made.trainings:
        assert 1 <= len(training.tests) <= every
        assert training.number == training.tests[0].number
        first, last = place[training.start_ns + HOUR], place[training.end_ns]
        assert (first, last + 1) == tuple(training.turns)
        assert training.turns.bars == train if kind == "rolling" else first == 0
        for one in training.tests:
            opened, closed = place[one.start_ns + HOUR], place[one.end_ns]
            assert closed - opened + 1 == test
            assert one.start_ns >= previous
            previous = one.end_ns
            assert opened - last - 1 >= embargo
            # the first decision of the test looks back over bars none of which training has seen, nor been answered for by
            assert opened - window + 1 - last >= HORIZON_BARS + 1
        assert training.start_ns < training.fit_end_ns <= training.end_ns
        for ready in (0, min(window, train) - 1):
            begin = int(turns[first + ready])
            moment = training.end_ns - int((training.end_ns - begin) * frac)
            assert training.fit_end_ns <= int(turns[np.searchsorted(turns, moment)])
    assert made.untested.stop == made.turns == len(turns)


CONFIG = parse(
    {
        "universe": {"instruments": ["XUSDT.SIM"]},
        "actors": {"regime": {"fit_end": "2030-01-01T00:00:00Z"}},
        "limits": {"max_position_frac": 1.0},
    }
)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(
    train=st.integers(20, 200),
    test=st.integers(5, 80),
    bars=st.integers(150, 900),
    window=st.integers(1, 30),
    frac=st.sampled_from([0.05, 0.2, 0.5]),
    seed=st.integers(0, 2**31),
)
def test_configuration_of_a_fold_learns_fits_and_trades_inside_its_spans(train, test, bars, window, frac, seed):
    assume(train + window + HORIZON_BARS + test <= bars)
    turns = 1_577_836_800_000_000_000 + HOUR * np.arange(1, bars + 1)
    made = plan(turns, "1-HOUR", WalkForward(train_bars=train, test_bars=test), window, frac)
    for training in made.trainings:
        for one in training.tests:
            config = fold_config(CONFIG, training, one, seed)
            assert config.training_span_ns == (training.start_ns, training.end_ns)
            assert config.span_ns == (one.start_ns, one.end_ns)
            assert (config.training.seeds, config.run.seed) == ([seed], seed)
            regime = config.actors.regime
            assert config.training.start == regime["fit_start"]
            assert config.training.start < regime["fit_end"] < config.training.end < config.data.start
            assert (
                msgspec.structs.replace(
                    config, run=CONFIG.run, data=CONFIG.data, training=CONFIG.training, actors=CONFIG.actors
                )
                == CONFIG
            )
