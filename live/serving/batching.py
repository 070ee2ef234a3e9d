"""The queue before a policy's graph: bounded, and shared calls where they change no bit.

A strategy asks once a turn, for all its instruments together; a request is such a turn. A graph call with one row takes another way through
the matrix product than one with several, and differs in the last bits; among calls with two rows or more each row comes out the same,
whatever else is in the call. So a request of one row is called alone, and requests of more share a call, if the policy's golden rows say
that this holds on this machine: `shares_calls` looks, when the service starts.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from engine.policy.manifest import GOLDEN
from engine.policy.session import Inference, PolicySession
from live.serving.refusal import Refused
from live.serving.request import Inputs

CHECKED_ROWS = 64


@dataclass
class _Waiting:
    inputs: Inputs
    rows: int
    answer: "asyncio.Future[Inference]"


def shares_calls(session: PolicySession, most_rows: int = CHECKED_ROWS) -> bool:
    """Tell whether golden rows come out the same, bit for bit, in calls of every size from 2 to `most_rows`."""
    with np.load(session.folder / GOLDEN, allow_pickle=False) as golden:
        inputs = {spec.name: golden[spec.name] for spec in session.contract.inputs}
    count = len(next(iter(inputs.values())))
    rows = np.resize(np.arange(count), most_rows + 1)
    pairs = [session(_taken(inputs, rows[index : index + 2])) for index in range(most_rows)]
    for size in range(3, most_rows + 1):
        answer = session(_taken(inputs, rows[:size]))
        for output in session.contract.outputs:
            found = getattr(answer, output)
            if any(not np.array_equal(found[index], getattr(pairs[index], output)[0]) for index in range(size)):
                return False
    return True


def _taken(inputs: Inputs, rows: np.ndarray) -> Inputs:
    return {name: np.ascontiguousarray(tensor[rows]) for name, tensor in inputs.items()}


class Batcher:
    """Answers requests for one policy, in their order.

    Parameters
    ----------
    session
        The policy.
    waiting
        Requests that may wait; more are refused.
    most_rows
        Rows of a shared call.
    shares
        Whether requests of two rows or more may share a call.

    Attributes
    ----------
    shares
        As given.
    calls, rows
        Graph calls, and rows in them.
    """

    def __init__(
        self, session: PolicySession, waiting: int = 256, most_rows: int = CHECKED_ROWS, shares: bool = True
    ) -> None:
        self.session = session
        self.calls = self.rows = 0
        self.shares = shares
        self._most_waiting, self._most_rows = waiting, most_rows
        self._waiting: deque[_Waiting] = deque()
        self._called: list[_Waiting] = []
        self._closed = False
        self._there = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"policy-{session.name}")

    @property
    def waiting(self) -> int:
        """Requests that wait."""
        return len(self._waiting)

    async def ask(self, inputs: Inputs) -> Inference:
        """Answer one request.

        Raises
        ------
        Refused
            503: too many wait, or the service stops.
        """
        if self._closed:
            raise _stopping()
        if len(self._waiting) >= self._most_waiting:
            raise Refused(
                503, "request", f"wait behind fewer than {self._most_waiting}", len(self._waiting), "try again"
            )
        one = _Waiting(inputs, len(next(iter(inputs.values()))), asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._there.set()
        return await one.answer

    async def run(self) -> None:
        """Answer until cancelled; `close` it then."""
        loop = asyncio.get_running_loop()
        while True:
            await self._there.wait()
            chosen = self._called = self._next()
            if not chosen:
                self._there.clear()
                continue
            try:
                answers = await loop.run_in_executor(self._thread, self._call, [one.inputs for one in chosen])
            except Exception as error:  # noqa: BLE001
                _fail(chosen, error)
                continue
            for one, answer in zip(chosen, answers):
                if not one.answer.done():
                    one.answer.set_result(answer)

    def close(self) -> None:
        """Refuse what waits and what is being called, and whatever comes."""
        self._closed = True
        _fail([*self._called, *self._waiting], _stopping())
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> list[_Waiting]:
        """Take the first request, and those behind it that fit into its call; whoever hung up is left out."""
        chosen: list[_Waiting] = []
        rows = 0
        while self._waiting:
            one = self._waiting[0]
            if one.answer.done():
                self._waiting.popleft()
                continue
            shared = self.shares and one.rows > 1
            if chosen and not (shared and chosen[0].rows > 1 and rows + one.rows <= self._most_rows):
                break
            chosen.append(self._waiting.popleft())
            rows += one.rows
        return chosen

    def _call(self, asked: list[Inputs]) -> list[Inference]:
        self.calls += 1
        if len(asked) == 1:
            self.rows += len(next(iter(asked[0].values())))
            return [self.session(asked[0])]
        stacked = {name: np.concatenate([one[name] for one in asked]) for name in asked[0]}
        counts = [len(next(iter(one.values()))) for one in asked]
        self.rows += sum(counts)
        answer = self.session(stacked)
        ends = np.cumsum(counts)[:-1]
        parts = {name: np.split(output, ends) for name, output in answer._asdict().items()}
        return [Inference(**{name: part[index] for name, part in parts.items()}) for index in range(len(asked))]


def _stopping() -> Refused:
    return Refused(503, "service", "run", "stopping", "try again")


def _fail(waiting: list[_Waiting], error: Exception) -> None:
    for one in waiting:
        if not one.answer.done():
            one.answer.set_exception(error)
