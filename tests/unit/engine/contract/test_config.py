"""The configuration: typed, unknown keys refused, dates in UTC."""

import datetime as dt

import pytest

from engine.contract.config import dump, load, parse, schema
from engine.contract.errors import ConfigError

MINIMAL = {"universe": {"instruments": ["BTCUSDT.BINANCE"]}}


def made(**sections):
    return parse({**MINIMAL, **sections})


def test_minimal_configuration_has_the_documented_defaults():
    config = made()
    assert config.limits.max_position_frac == 0.10
    assert config.venue.fill == "next_open"
    assert config.strategy_name == "policy"


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"venue": {"fil": "next_open"}}, "unknown field `fil`"),
        ({"nonsense": {}}, "unknown field `nonsense`"),
        ({"venue": {"fill": "mid"}}, "venue.fill: invalid enum value 'mid'"),
        ({"venue": {"leverage": 0.5}}, "venue.leverage: expected `float` >= 1.0, was 0.5"),
        ({"venue": {"balance": "many"}}, "venue.balance"),
        ({"universe": {"instruments": []}}, "universe.instruments"),
        ({"universe": {"instruments": ["BTCUSDT"]}}, "universe.instruments must be SYMBOL.VENUE each, was BTCUSDT"),
        ({"universe": {"instruments": ["A.X", "A.X"]}}, "name each instrument once"),
        ({"universe": {"instruments": ["A.X", "A.Y"]}}, "be of one venue"),
        ({"universe": {"instruments": ["A.X"], "bar": "1-FORTNIGHT"}}, "bar must be a count and SECOND"),
        ({"data": {"start": dt.date(2022, 1, 2), "end": dt.date(2022, 1, 1)}}, "data.start must be before data.end"),
        ({"limits": {"max_gross_frac": 4.0}}, "limits.max_gross_frac must be at most venue.leverage 3, was 4.0"),
        (
            {"venue": {"account": "cash"}, "limits": {"max_position_frac": 2.0}},
            "limits must let a cash account hold at most 0.98 of its equity",
        ),
        ({"training": {"short": True}}, "training.short must be false for discrete7"),
        ({"strategy": {"lookback": 3}}, "strategy.name must be a string"),
    ],
)
def test_wrong_configuration_is_refused_with_the_key_and_the_value(sections, message):
    with pytest.raises(ConfigError) as error:
        made(**sections)
    assert message in str(error.value)


def test_dates_without_zone_are_utc_and_others_are_converted():
    zone = dt.timezone(dt.timedelta(hours=2))
    config = made(data={"start": dt.date(2022, 1, 1), "end": dt.datetime(2022, 1, 2, 2, tzinfo=zone)})
    day = 86_400 * 10**9
    start, end = config.span_ns
    assert start == 1_640_995_200 * 10**9
    assert end - start == day


def test_training_span_falls_back_to_the_data_span():
    config = made(data={"start": dt.date(2022, 1, 1)}, training={"end": dt.date(2023, 1, 1)})
    assert config.training_span_ns[0] == config.span_ns[0]
    assert config.training_span_ns[1] is not None


def test_dumped_configuration_reads_back_equal(tmp_path):
    config = made(data={"start": dt.date(2022, 1, 1)}, strategy={"name": "trend", "lookback": 5})
    path = tmp_path / "config.toml"
    path.write_text(dump(config))
    assert load(path) == config


def test_overrides_take_toml_values_and_bare_words(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(dump(made()))
    config = load(path, ["venue.fill=this_close", "run.seed=9", "training.seeds=[4]", "data.start=2022-01-01"])
    assert (config.venue.fill, config.run.seed, config.training.seeds) == ("this_close", 9, [4])
    assert config.data.start == dt.datetime(2022, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize("text", ["venue.fill", "=1", "universe.instruments.x=1"])
def test_override_without_key_or_value_is_refused(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(dump(made()))
    with pytest.raises(ConfigError, match="--set must"):
        load(path, [text])


def test_missing_and_malformed_files_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="configuration must be a file"):
        load(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("[run\n")
    with pytest.raises(ConfigError, match="configuration must be TOML"):
        load(tmp_path / "bad.toml")


def test_schema_names_every_section():
    properties = schema()["$defs"]["Config"]["properties"]
    sections = {
        "universe",
        "run",
        "data",
        "venue",
        "strategy",
        "policy",
        "limits",
        "actors",
        "training",
        "walkforward",
        "rehearsal",
        "search",
        "alerts",
        "live",
        "lifecycle",
        "retrain",
    }
    assert set(properties) == sections
