"""The recovery drill: sessions that are killed at every kind of step and gone on with, held to one that never was."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

import msgspec

from catalogs.manifest import write_atomically
from engine.contract.config import Config, dump
from engine.contract.errors import CheckFailed, broken
from live.recovery.outcome import Left, differences, left_by
from live.recovery.victim import begin
from live.rehearsal.command import KEY, SECRET
from live.rehearsal.control import truth
from live.rehearsal.hosting import HostedExchange
from live.rehearsal.signing import Keys

CONSENT = "HURACAN_LIVE"
KEYS = Keys("d" * 64, "r" * 64)
"""Of an exchange on loopback that lives as long as a drill."""

ENVIRONMENT = {KEY: KEYS.api_key, SECRET: KEYS.secret, CONSENT: "1"}
"""What a live session needs to begin without a person's word."""

STEPS = "steps.txt"
LONGEST_SECS = 600.0
"""After which a session that has not ended counts as hung."""

Mode = Literal["paper", "live"]
Step = tuple[str, int]
"""Kind of a step, and which of its kind, from 1; of every kind where the kind is ""."""

NEVER: Step = ("", 0)


@dataclass
class Point:
    """One session that was killed and gone on with.

    Attributes
    ----------
    steps
        The steps at which it was killed, one after the other, in words.
    problems
        What differs from the session that never was.
    """

    number: int
    steps: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)


@contextmanager
def stage(config: Config, folder: Path, mode: Mode) -> Iterator[HostedExchange | None]:
    """Make a folder with a configuration and, for live, an exchange beside it that outlives the sessions."""
    (folder / "var" / "rehearsal").mkdir(parents=True)
    (folder / "config.toml").write_text(dump(config), encoding="utf-8")
    if mode == "paper":
        yield None
        return
    hosted = HostedExchange(config, KEYS)
    try:
        document = {
            **hosted.rehearsal.document(),
            "keys": "environment",
            "pid": os.getpid(),
            "pace": config.rehearsal.pace,
        }
        write_atomically(folder / "var" / "rehearsal" / "exchange.json", msgspec.json.encode(document))
        yield hosted
    finally:
        hosted.stop()


class Drill:
    """Kills sessions of one configuration in one mode.

    Parameters
    ----------
    config
        Absolute paths in it; its exchange is the rehearsal exchange, stepwise.
    root
        Folder to work in.
    say
        Called with a line for a person.
    """

    def __init__(self, config: Config, mode: Mode, root: Path, say: Callable[[str], None]) -> None:
        self._config, self._mode, self._root, self._say = config, mode, root, say
        self.steps: list[str] = []
        self.plain: Left | None = None

    def _arguments(self, resumed: bool) -> list[str]:
        begun = ["--resume", f"{self._config.run.name}-0001"] if resumed else ["config.toml"]
        return [self._mode, *begun, *(["--yes"] if self._mode == "live" else [])]

    def uninterrupted(self) -> Left:
        """Run a session to its end, and count its steps."""
        folder = self._root / "plain"
        record = folder / STEPS
        with stage(self._config, folder, self._mode) as hosted:
            code = self.session(folder, False, NEVER, record, True)
            if code != 0:
                raise CheckFailed(
                    broken("uninterrupted session", "end in order", f"exit code {code}", "", _tail(folder))
                )
            self.plain = self._left(folder, hosted)
        self.steps = [line.split(" ", 1)[1] for line in record.read_text().splitlines()]
        return self.plain

    def session(self, folder: Path, resumed: bool, at: Step, record: Path | None = None, every: bool = False) -> int:
        """Run a session in a staged folder, to its end or to a step; return the exit code, negative where a signal ended it."""
        process = begin(
            folder, self._arguments(resumed), folder / "session.out", ENVIRONMENT, at, record or folder / STEPS, every
        )
        process.join(LONGEST_SECS)
        if process.exitcode is None:
            process.kill()
            process.join()
            return -1
        return process.exitcode

    def _left(self, folder: Path, hosted: HostedExchange | None) -> Left:
        told = {} if hosted is None else truth(hosted.rehearsal.exchange)[self._config.live.market]
        return left_by(folder / "var" / "runs" / f"{self._config.run.name}-0001", told)

    def point(self, number: int, kills: Sequence[Step]) -> Point:
        """Kill a session at the given steps, each counted from its start, then let it end; compare."""
        assert self.plain is not None
        point, folder = Point(number), self._root / f"point-{number}"
        record = folder / STEPS
        with stage(self._config, folder, self._mode) as hosted:
            resumed, over = False, False
            for at in kills:
                code = self.session(folder, resumed, at, record)
                over = code == 0
                if over:
                    break
                if code != -signal.SIGKILL:
                    point.problems.append(f"a session that was to be killed ended with {code}: {_tail(folder)}")
                    return point
                resumed = True
            point.steps = record.read_text().splitlines()
            if not over:
                began = (folder / "var" / "runs" / f".{self._config.run.name}-0001.partial" / "manifest.json").is_file()
                code = self.session(folder, began, NEVER, record)
                if code != 0:
                    point.problems.append(f"the session did not go on, exit code {code}: {_tail(folder)}")
                    return point
            point.lines = _lines(folder)
            point.problems = differences(self.plain, self._left(folder, hosted))
        return point

    def points(self, count: int, seed: int) -> Iterator[Point]:
        """Kill at sampled steps: every kind of step at least once where there are points enough, some twice, also while it goes on."""
        for number, kills in enumerate(sampled(self.steps, count, seed)):
            yield self.point(number, kills)


def sampled(steps: Sequence[str], count: int, seed: int) -> list[list[Step]]:
    """Draw the steps to kill at: each kind in turn, within a kind at random; one in four is killed once more, soon after it goes on."""
    draw, kinds = Random(f"recovery/{seed}"), dict[str, list[int]]()
    for name in steps:
        numbers = kinds.setdefault(name, [])
        numbers.append(len(numbers) + 1)
    for numbers in kinds.values():
        draw.shuffle(numbers)
    chosen: list[list[Step]] = []
    while len(chosen) < count and any(kinds.values()):
        for name, numbers in kinds.items():
            if numbers and len(chosen) < count:
                again = [("", draw.randint(1, 12))] if draw.random() < 0.25 else []
                chosen.append([(name, numbers.pop()), *again])
    return chosen


def _tail(folder: Path) -> str:
    path = folder / "session.out"
    lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
    return " | ".join(line.strip() for line in lines[-4:])


def _lines(folder: Path) -> list[str]:
    found = list(folder.glob("var/runs/*/recovery.jsonl"))
    return found[0].read_text().splitlines() if found else []


def drill(
    config: Config, mode: Mode, points: int, seed: int, say: Callable[[str], None], root: Path | None = None
) -> tuple[Drill, list[Point]]:
    """Run a whole drill, in a folder of its own where none is given."""
    with tempfile.TemporaryDirectory(prefix="recovery-") as made:
        one = Drill(config, mode, root or Path(made), say)
        one.uninterrupted()
        say(f"{mode}: {len(one.steps):,} steps in the session that is not killed")
        found = []
        for point in one.points(points, seed):
            found.append(point)
            verdict = "equal" if not point.problems else "; ".join(point.problems[:3])
            say(f"{mode} {point.number:4} killed at {' and '.join(point.steps) or 'nothing'}: {verdict}")
        return one, found
