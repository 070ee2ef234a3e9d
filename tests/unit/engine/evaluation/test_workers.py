"""The pool: order, death and errors of its workers."""

import os
import signal
import time
from pathlib import Path

import pytest

from engine.contract.errors import DataError, EnvironmentFault
from engine.evaluation.workers import ATTEMPTS, ONE_THREAD, Unit, carry_out


def threads(number: int) -> tuple[int, dict[str, str | None], int]:
    return number, {name: os.environ.get(name) for name in ONE_THREAD}, os.getpid()


def dying(marks: str, number: int) -> int:
    """Die by the signal that cannot be caught, the first time."""
    mark = Path(marks) / f"begun-{number}"
    if number == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * number


def refusing(number: int) -> int:
    if number == 1:
        raise DataError("bars must be there, was none")
    time.sleep(30)
    return number


def test_units_return_in_their_order_from_processes_of_one_thread() -> None:
    ended: list[str] = []
    units = [Unit(f"unit {number}", threads, (number,)) for number in range(4)]
    found = carry_out(units, 2, done=lambda unit: ended.append(unit.name))
    assert [one[0] for one in found] == [0, 1, 2, 3]
    assert all(set(one[1].values()) == {"1"} for one in found)
    assert os.getpid() not in {one[2] for one in found}
    assert sorted(ended) == [f"unit {number}" for number in range(4)]
    assert [one[2] for one in carry_out(units, 0)] == [os.getpid()] * 4


def test_unit_whose_worker_was_killed_is_done_again(tmp_path: Path) -> None:
    units = [Unit(f"unit {number}", dying, (str(tmp_path), number)) for number in range(3)]
    assert carry_out(units, 1) == [0, 10, 20]


def test_unit_that_kills_every_worker_is_named() -> None:
    units = [Unit("folds/001/seed-7", os._exit, (9,))]
    with pytest.raises(
        EnvironmentFault, match=rf"worker of folds/001/seed-7 must .* dead {ATTEMPTS} times, exit code 9"
    ):
        carry_out(units, 1)


def test_error_of_a_unit_is_raised_as_it_was_and_the_others_are_stopped() -> None:
    began = time.monotonic()
    with pytest.raises(DataError, match="bars must be there, was none"):
        carry_out([Unit(str(number), refusing, (number,)) for number in range(2)], 2)
    assert time.monotonic() - began < 25


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_units_on_a_cluster_return_what_processes_return(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    units = [Unit(f"unit {number}", dying, (str(tmp_path), number)) for number in range(3)]
    assert carry_out(units, 2, "local") == [0, 10, 20]
    with pytest.raises(DataError, match="bars must be there, was none"):
        carry_out([Unit("1", refusing, (1,))], 1, "local")


def test_cluster_that_is_not_there_is_refused() -> None:
    pytest.importorskip("ray")
    with pytest.raises(EnvironmentFault, match="Ray cluster must be there"):
        carry_out([Unit("1", refusing, (0,))], 1, "auto")
