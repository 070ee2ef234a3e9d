import asyncio

import pytest

from engine.contract.errors import ConfigError, EnvironmentFault
from live.adapter.core.clock import VenueClock
from live.adapter.core.notes import Notes
from live.adapter.core.pause import Pause
from live.adapter.core.session import ExchangeSession, SessionSettings, credentials

SECRET = "very-secret-value"
ENVIRONMENT = {"HURACAN_BINANCE_API_KEY": "key-value", "HURACAN_BINANCE_API_SECRET": SECRET}


def test_keys_come_from_the_environment_by_one_rule():
    assert credentials("binance", ENVIRONMENT) == {"apiKey": "key-value", "secret": SECRET}


def test_missing_key_is_named_and_no_value_is_shown():
    with pytest.raises(EnvironmentFault, match="HURACAN_BINANCE_API_SECRET must be set, was absent") as error:
        credentials("binance", {"HURACAN_BINANCE_API_KEY": SECRET})
    assert SECRET not in str(error.value)


def test_session_never_shows_its_keys():
    session = ExchangeSession(SessionSettings(exchange="binance", private=True), environment=ENVIRONMENT)
    assert SECRET not in repr(session)
    assert SECRET not in repr(session.settings)


def test_public_session_needs_no_keys():
    ExchangeSession(SessionSettings(exchange="kraken"), environment={})


def test_exchange_that_ccxt_has_not_is_refused():
    with pytest.raises(ConfigError, match=r"live\.exchange must be an exchange of ccxt, was nowhere"):
        ExchangeSession(SessionSettings(exchange="nowhere"))


def test_recorded_answers_carry_no_listen_key_and_no_query():
    rows = []
    session = ExchangeSession(SessionSettings(exchange="binance"), recorder=lambda *row: rows.append(row))
    body = '{"listenKey": "abcdef"}'
    session.hear_answer(200, "https://fapi.binance.com/fapi/v1/listenKey?signature=ff", "POST", {}, body)
    session.hear_frame("wss://fstream.binance.com/private/ws?listenKey=abcdef", {"e": "x"})
    assert "abcdef" not in str(rows)
    assert "signature" not in str(rows)


def test_server_error_is_unknown_whatever_its_body_says():
    from ccxt.base.errors import ExchangeNotAvailable

    session = ExchangeSession(SessionSettings(exchange="binance"))
    with pytest.raises(ExchangeNotAvailable, match="503"):
        session.hear_answer(503, "https://api.binance.com/api/v3/order", "POST", {}, '{"code":-2010,"msg":"rejected"}')


def test_longer_pause_stands_and_a_later_shorter_one_does_not_overwrite_it():
    now = [100.0]
    pause = Pause(Notes(), lambda: now[0])
    pause.hear(418, {"Retry-After": "30"})
    pause.hear(429, {"retry-after": "2"})
    pause.hear(200, {})
    assert pause.left_secs == 30.0
    now[0] = 131.0
    assert pause.left_secs == 0.0


def test_pause_without_a_stated_time_is_assumed_and_noted():
    notes = Notes()
    pause = Pause(notes, lambda: 0.0)
    pause.hear(429, {})
    assert pause.left_secs == 5.0
    assert notes.all("pause")[0].detail == "status 429, 5 s assumed"


def test_clock_takes_the_sample_of_the_shortest_round_trip():
    times = iter([0, 10_000_000, 20_000_000, 22_000_000, 30_000_000, 90_000_000])
    clock = VenueClock(lambda: next(times))
    answers = iter([60_005, 60_021, 60_000])

    async def ask():
        return next(answers)

    offset = asyncio.run(clock.synchronise(ask))
    assert offset == 60_021_000_000 - 21_000_000
    assert clock.round_trip_ns == 2_000_000


def test_clock_of_a_replaying_venue_stands_between_the_times_it_tells():
    clock = VenueClock(lambda: 5, follows=True)
    clock.hear(1_000)
    clock.hear(900)
    assert clock.now_ns() == 1_000


def test_notes_are_kept_in_a_file_of_lines(tmp_path):
    notes = Notes(tmp_path / "notes.jsonl")
    notes.write("order sent", "O-1", "buy")
    notes.close()
    assert '"what": "order sent"' in (tmp_path / "notes.jsonl").read_text()
