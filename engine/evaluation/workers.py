"""The process pool: units of work in local processes or on a Ray cluster, each done again where its worker dies.

A unit is a module-level function with arguments; both must be importable and small, since they travel. What it returns comes back in the
order of the units, whoever did them. Every worker computes with one thread, so that results do not depend on how many there are.
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from typing import Any

from engine.contract.errors import EnvironmentFault, broken

ATTEMPTS = 3
"""Times that a unit is begun before its dying workers are taken for its own fault."""
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
SECONDS_TO_END = 10.0
"""That a worker without work is given to end by itself."""
OBJECT_STORE_BYTES = 80 * 1024 * 1024
"""Of a Ray that is started here: units return little."""


@dataclass(frozen=True)
class Unit:
    """A piece of work.

    Attributes
    ----------
    name
        For messages.
    function, arguments
        A module-level function, and what it is called with.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


Done = Callable[[Unit], None]
"""Called in this process when a unit has ended."""


def carry_out(units: Sequence[Unit], workers: int, ray: str | None = None, done: Done = lambda unit: None) -> list[Any]:
    """Do all units and return what they returned, in their order.

    Parameters
    ----------
    workers
        Local processes, or units at a time on the cluster; 0 does all in this process, which needs no importable main module.
    ray
        `local` starts a Ray on this machine, `auto` or an address uses a running one; None uses processes of this machine.
    done
        Hears of every unit that ended, as they end.

    Raises
    ------
    EnvironmentFault
        The workers of a unit died `ATTEMPTS` times, or there is no such cluster.

    Notes
    -----
    What a unit raises is raised here, and units that were going on are stopped.
    """
    if ray is not None:
        return _on_ray(units, max(1, workers), ray, done)
    if workers == 0:
        results = []
        for unit in units:
            results.append(unit.function(*unit.arguments))
            done(unit)
        return results
    return _in_processes(units, workers, done)


def _in_processes(units: Sequence[Unit], workers: int, done: Done) -> list[Any]:
    waiting = deque(range(len(units)))
    attempts, results = [0] * len(units), [None] * len(units)
    busy: dict[connection.Connection, tuple[Any, int]] = {}
    idle: list[tuple[connection.Connection, Any]] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                here, process = idle.pop() if idle else _start()
                number = waiting.popleft()
                attempts[number] += 1
                busy[here] = process, number
                try:
                    here.send((units[number].function, units[number].arguments))
                except OSError:
                    continue
            ready = connection.wait(list(busy))
            for here in [one for one in busy if one in ready]:
                process, number = busy.pop(here)
                try:
                    error, results[number] = here.recv()
                except (EOFError, OSError):
                    process.join()
                    here.close()
                    _give_up(units[number], attempts[number], f"exit code {process.exitcode}")
                    waiting.appendleft(number)
                    continue
                if error is not None:
                    busy[here] = process, number
                    raise error
                idle.append((here, process))
                done(units[number])
    finally:
        for here, (process, _) in busy.items():
            process.kill()
            idle.append((here, process))
        for here, _ in idle:
            here.close()
        for _, process in idle:
            process.join(SECONDS_TO_END)
            process.kill()
    return results


def _start() -> tuple[connection.Connection, Any]:
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there,), daemon=True)
    with _one_thread():
        process.start()
    there.close()
    return here, process


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that are started inside compute with one thread: libraries read it when they are loaded."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _serve(there: connection.Connection) -> None:
    """Do what comes through the pipe until it closes; leave the interrupt key to the process that waits, and end when that one ends."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            function, arguments = there.recv()
        except EOFError:
            return
        answer: tuple[Exception | None, Any]
        try:
            answer = None, function(*arguments)
        except Exception as error:  # noqa: BLE001 - the edge of the process: it is raised again on the other side
            answer = error, None
        there.send(answer)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _give_up(unit: Unit, attempts: int, how: str) -> None:
    if attempts >= ATTEMPTS:
        remedy = "look for what kills it, often a lack of memory; finished units are kept"
        raise EnvironmentFault(
            broken(f"worker of {unit.name}", "live to its end", f"dead {attempts} times, {how}", remedy=remedy)
        )


def _on_ray(units: Sequence[Unit], workers: int, address: str, done: Done) -> list[Any]:
    import ray
    from ray.exceptions import RayError, RayTaskError

    begun = _join_cluster(address, workers)
    try:
        remote = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_call)
        waiting, running = deque(range(len(units))), dict[Any, int]()
        results: list[Any] = [None] * len(units)
        while waiting or running:
            while waiting and len(running) < workers:
                number = waiting.popleft()
                running[remote.remote(os.getcwd(), units[number].function, units[number].arguments)] = number
            for finished in ray.wait(list(running))[0]:
                number = running.pop(finished)
                try:
                    results[number] = ray.get(finished)
                except RayTaskError as error:
                    raise error.cause from error
                except RayError as error:
                    _give_up(units[number], ATTEMPTS, type(error).__name__)
                done(units[number])
        return results
    finally:
        if begun:
            ray.shutdown()


def _join_cluster(address: str, workers: int) -> bool:
    """Connect to a cluster, or start one; whether this process was not connected before."""
    import logging

    import ray

    if ray.is_initialized():
        return False
    own: dict[str, Any] = {"num_cpus": workers, "object_store_memory": OBJECT_STORE_BYTES, "include_dashboard": False}
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **(own if address == "local" else {}),
        )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        remedy = "start one with ray start --head, or give local"
        raise EnvironmentFault(
            broken("Ray cluster", "be there", str(error).splitlines()[0], address, remedy)
        ) from error
    return True


def _call(folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Do a unit in the working folder of the command, whose paths may be relative; a running cluster was started elsewhere."""
    os.chdir(folder)
    return function(*arguments)
