"""The pruned detector beside the textbook recursion, on the Nile, on real returns; its outputs, state and refusals."""

import numpy as np
import pytest
from scipy.stats import t as student_t

from engine.changepoint.benchmark import textbook
from engine.changepoint.bocd import TABLE_RUNS, Bocd, NormalInverseGamma, normalisers
from engine.changepoint.estimate import Advice, advise
from engine.changepoint.kernels import normaliser
from engine.changepoint.run_lengths import RunLengthConfig
from engine.contract.errors import ConfigError, DataError

NILE_FIRST_YEAR = 1871
# fmt: off
NILE = np.array([
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
    831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
    781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
    744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
], dtype=float)
# fmt: on
"""Annual flow of the Nile at Aswan, 10^8 m³, 1871 to 1970: Cobb (1978), Biometrika 65, table 1."""


def unpruned(length: int, mean_run: float = 250.0, **options: int) -> RunLengthConfig:
    return RunLengthConfig(mean_run=mean_run, smallest_mass=0.0, most_cells=length + 1, **options)


def posterior(x, prior, config) -> np.ndarray:
    """P(run length = r) after each observation, of shape (T, T + 1)."""
    detector = Bocd(1, prior, config)
    mass = np.zeros((len(x), len(x) + 1))
    for t, value in enumerate(x):
        detector.update(np.array([value]))
        lengths, probability = detector.run_lengths(0)
        mass[t, lengths] = probability
    return mass


def test_textbook_agrees_with_densities_of_scipy():
    prior = NormalInverseGamma(0.3, 0.7, 1.5, 2.0)
    x = np.array([0.4, -1.1])
    first = student_t.logpdf(x[1], 2 * 1.5, 0.3, np.sqrt(2.0 * 1.7 / (1.5 * 0.7)))
    mean, beta = (0.7 * 0.3 + 0.4) / 1.7, 2.0 + 0.7 * 0.1**2 / (2 * 1.7)
    second = student_t.logpdf(x[1], 4.0, mean, np.sqrt(beta * 2.7 / (2.0 * 1.7)))
    joint = np.array([0.1 * np.exp(first), 0.9 * np.exp(second)])
    expected = np.append(0.1, 0.9 * joint / joint.sum())
    np.testing.assert_allclose(textbook(x, 10.0, prior)[1], expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(2))
def test_bocd_without_pruning_equals_the_textbook(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_t(3, 400) * np.repeat([1.0, 4.0, 0.2, 1.0], 100) + np.repeat([0.0, 0.0, 5.0, -5.0], 100)
    prior = NormalInverseGamma(0.5, 0.1, 0.5, 2.0)
    assert np.abs(posterior(x, prior, unpruned(len(x))) - textbook(x, 250.0, prior)).max() < 1e-9


def test_bocd_pruned_tightly_equals_the_textbook():
    x = np.random.default_rng(7).standard_t(5, 600)
    tight = RunLengthConfig(smallest_mass=1e-13, most_cells=601)
    assert np.abs(posterior(x, None, tight) - textbook(x, 250.0)).max() < 1e-9


def test_recent_mass_of_the_defaults_stays_near_the_textbook():
    x = np.random.default_rng(7).standard_t(5, 1000)
    detector, truth = Bocd(1), textbook(x, 250.0)
    recent = np.array([detector.update(np.array([value])).recent[0] for value in x])
    expected = [truth[t, :25].sum() for t in range(25, len(x))]
    assert len(detector.run_lengths(0)[0]) == 150
    assert np.abs(recent[25:] - expected).max() < 5e-3


def test_bocd_on_real_returns_equals_the_textbook(shared_data):
    import pyarrow.parquet as pq

    close = pq.read_table(shared_data / "BINANCE.BTCUSDT.1h.parquet", columns=["close"])["close"].to_numpy()
    x = np.diff(np.log(close[19_000:19_700])) / 0.01
    assert np.abs(posterior(x, None, unpruned(len(x))) - textbook(x, 250.0)).max() < 1e-9


def test_nile_changes_in_1899_and_is_declared_in_1902():
    prior = NormalInverseGamma(mean=1000.0, kappa=0.01, alpha=1.0, beta=10_000.0)
    detector = Bocd(1, prior, RunLengthConfig(mean_run=100.0))
    starts = {}
    for t, flow in enumerate(NILE):
        year = NILE_FIRST_YEAR + t
        starts[year] = year - int(detector.update(np.array([flow])).map_run[0]) + 1
    assert starts[1901] == 1871
    assert starts[1902] == 1899
    assert all(starts[year] == 1899 for year in range(1902, 1912))


def test_run_length_of_zero_has_the_hazard_whatever_comes():
    detector = Bocd(1, config=unpruned(60, mean_run=40.0))
    for value in np.random.default_rng(0).standard_t(2, 60):
        detector.update(np.array([value]))
        lengths, probability = detector.run_lengths(0)
        assert lengths[0] == 0
        assert probability[0] == pytest.approx(1 / 40)


def test_summaries_follow_from_the_run_lengths():
    detector = Bocd(1, config=RunLengthConfig(recent_run=10))
    before = 0.0
    for value in np.append(np.zeros(30), np.full(8, 9.0)) + np.random.default_rng(1).normal(size=38):
        estimate = detector.update(np.array([value]))
        lengths, probability = detector.run_lengths(0)
        assert probability.sum() == pytest.approx(1.0)
        assert estimate.expected_run[0] == pytest.approx(lengths @ probability)
        assert estimate.map_run[0] == lengths[probability.argmax()]
        assert estimate.map_drop[0] == max(before + 1 - estimate.map_run[0], 0)
        before = estimate.map_run[0]
    assert estimate.recent[0] == pytest.approx(probability[lengths <= 10].sum())
    assert estimate.recent[0] > 0.9


def test_start_of_the_data_is_not_a_change():
    detector = Bocd(1, config=RunLengthConfig(recent_run=24))
    recent = [detector.update(np.array([v])).recent[0] for v in np.random.default_rng(2).normal(size=20)]
    assert max(recent) < 0.3


def test_length_beyond_the_table_has_the_same_normaliser():
    prior = NormalInverseGamma()
    table = normalisers(prior, TABLE_RUNS + 1)
    length = TABLE_RUNS
    beyond = normaliser(length, prior.kappa + length, prior.alpha + length / 2, table[:TABLE_RUNS])
    assert beyond == pytest.approx(table[length], abs=1e-11)


def test_batch_gives_the_bits_of_single_instruments():
    x = np.random.default_rng(3).standard_t(4, (300, 5))
    x[100:130, 2] = np.nan
    batch = Bocd(5)
    together = [batch.update(row) for row in x]
    for n in range(5):
        single = Bocd(1)
        for row, estimate in zip(x, together, strict=True):
            alone = single.update(row[n : n + 1])
            assert alone.recent[0] == estimate.recent[n]
            assert alone.expected_run[0] == estimate.expected_run[n]


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf, 1e200])
def test_observation_that_is_missing_leaves_the_belief(missing):
    detector = Bocd(2)
    for row in np.random.default_rng(4).normal(size=(20, 2)):
        before = detector.update(row)
    after = detector.update(np.array([missing, 0.0]))
    assert after.observed.tolist() == [False, True]
    assert after.recent[0] == before.recent[0]
    assert after.expected_run[0] == before.expected_run[0]
    assert after.map_drop[0] == 0


def test_restored_detector_goes_on_with_the_same_bits():
    x = np.random.default_rng(5).standard_t(3, (400, 3))
    whole, first, second = Bocd(3), Bocd(3), Bocd(3)
    for row in x[:250]:
        whole.update(row)
        first.update(row)
    second.restore(first.state())
    for row in x[250:]:
        assert all(np.array_equal(a, b) for a, b in zip(whole.update(row), second.update(row), strict=True))


def test_state_of_another_number_of_instruments_is_an_error():
    with pytest.raises(DataError, match=r"\(2, at most 151, 3\), was \(3, 1, 3\)"):
        Bocd(2).restore(Bocd(3).state())


def test_observations_of_another_shape_are_an_error():
    with pytest.raises(DataError, match=r"\(2,\), was \(3,\)"):
        Bocd(2).update(np.zeros(3))


def test_cells_never_exceed_their_cap():
    detector = Bocd(1, config=RunLengthConfig(smallest_mass=0.0, most_cells=12))
    for value in np.random.default_rng(6).normal(size=100):
        detector.update(np.array([value]))
    lengths, probability = detector.run_lengths(0)
    assert len(lengths) == 12
    assert probability.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("field", "value"), [("mean_run", 1.0), ("recent_run", 0), ("smallest_mass", 0.5), ("most_cells", 2)]
)
def test_config_out_of_range_is_an_error(field, value):
    with pytest.raises(ConfigError, match=f"{field} must .*was {value}"):
        RunLengthConfig(**{field: value})


@pytest.mark.parametrize("field", ["kappa", "alpha", "beta"])
def test_prior_that_is_not_positive_is_an_error(field):
    with pytest.raises(ConfigError, match=f"{field} must be more than 0"):
        NormalInverseGamma(**{field: 0.0})


def test_advice_is_taken_above_and_not_at_the_bounds():
    recent = np.array([0.70, 0.7001, 0.90, 0.9001, np.nan])
    assert advise(recent).tolist() == [Advice.KEEP, Advice.REDUCE, Advice.REDUCE, Advice.EXIT, Advice.KEEP]


def test_advice_with_bounds_out_of_order_is_an_error():
    with pytest.raises(ConfigError, match=r"was 0.95 \(exit_above 0.9\)"):
        advise(np.zeros(1), reduce_above=0.95)
