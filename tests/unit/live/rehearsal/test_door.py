"""Signatures, timestamps and limits: what the exchange lets in."""

import pytest

from live.rehearsal.limits import Limits, Meter
from live.rehearsal.refusals import Refused
from live.rehearsal.signing import Clocks, Keys, command_payload, unsigned

# The example of Binance's own documentation of signed endpoints.
KEYS = Keys(
    "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
    "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
)
PAYLOAD = (
    "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
)
SIGNATURE = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
MS = 1_000_000


def test_documented_signature_is_valid():
    KEYS.verify(PAYLOAD, SIGNATURE)


def test_altered_request_is_not_valid():
    with pytest.raises(Refused, match="-1022"):
        KEYS.verify(PAYLOAD.replace("quantity=1", "quantity=2"), SIGNATURE)


def test_signature_is_taken_off_the_end():
    assert unsigned(f"{PAYLOAD}&signature={SIGNATURE}") == (PAYLOAD, SIGNATURE)


def test_command_signs_booleans_in_lower_case_and_by_name():
    assert (
        command_payload({"timestamp": 1, "apiKey": "k", "omitZeroBalances": False, "signature": "s"})
        == "apiKey=k&omitZeroBalances=false&timestamp=1"
    )


def test_keys_do_not_print():
    assert KEYS.secret not in repr(KEYS)
    assert KEYS.api_key not in repr(KEYS)


@pytest.mark.parametrize(("key", "code"), [(None, "-2014"), ("other", "-2015")])
def test_stranger_is_refused(key, code):
    with pytest.raises(Refused, match=code):
        KEYS.known(key)


def clocks(tape_ms=1_000_000, machine_ms=9_000_000, skew_ms=0) -> tuple[Clocks, dict[str, int]]:
    now = {"machine": machine_ms * MS}
    return Clocks(lambda: tape_ms * MS, lambda: now["machine"], lambda: skew_ms * MS), now


@pytest.mark.parametrize("stamp", ["1000000", "995000", "1000999", "9000000", "8995001"])
def test_timestamp_of_the_tape_or_the_machine_is_taken(stamp):
    clocks()[0].check(stamp, None)


@pytest.mark.parametrize("stamp", ["994999", "1001000", "9001001", "5000000"])
def test_timestamp_of_no_clock_is_refused(stamp):
    with pytest.raises(Refused, match="-1021"):
        clocks()[0].check(stamp, None)


def test_client_that_was_told_the_time_may_go_by_it():
    made, now = clocks(tape_ms=7_000_000)
    made.tell(1_000_000 * MS)
    now["machine"] += 60_000 * MS
    made.check("1060000", None)


def test_skewed_exchange_refuses_the_machine_clock_until_it_tells_the_time():
    made, _ = clocks(skew_ms=60_000)
    with pytest.raises(Refused, match="-1021"):
        made.check("9000000", None)
    made.tell(1_060_000 * MS)
    made.check("1060000", None)


def test_meter_forgets_what_is_older_than_its_window():
    now = [0.0]
    meter = Meter(3, 10.0, lambda: now[0])
    assert [meter.add(2), meter.add(2)] == [0.0, 10.0]
    now[0] = 4.0
    assert meter.add(2) == 6.0
    now[0] = 10.0
    assert meter.add(3) == 0.0


def test_client_that_goes_on_past_its_limit_is_banned():
    now = [0.0]
    limits = Limits("spot", 1, None, lambda: now[0])
    limits.admit(1, False)
    statuses = []
    for _ in range(12):
        with pytest.raises(Refused) as caught:
            limits.admit(1, False)
        statuses.append((caught.value.status, caught.value.retry_after_secs))
    assert statuses[0] == (429, 61)
    assert statuses[10:] == [(418, 120), (418, 121)]
