"""The soak: a live session at a high pace on a failing exchange, killed a few times, and held to the venue's truth at its end."""

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from catalogs.generating import store_markets
from catalogs.synthesis import synthesise
from engine.contract.config import Config, parse
from live.recovery.drill import ENVIRONMENT, stage
from live.recovery.held_to_venue import problems_of
from live.rehearsal.control import status, truth
from live.rehearsal.hosting import HostedExchange

INSTRUMENT = "BTCUSDT-PERP.BINANCE"
WARM_BARS = 220
BARS_A_SECOND = 2.0
KILLS = (0.08, 0.42)
"""Shares of the time between which the kills fall."""

GROWTH_AFTER_SECS = 600.0
MOST_GROWTH_MB = 50.0
QUIET_SECS = 10.0
ATTEMPTS = 6
"""How often a session that does not come up is started again, as whoever keeps a service running would."""

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "error_after_accept", "chance": 0.01},
    {"kind": "drop_after_accept", "chance": 0.01},
    {"kind": "drop_before_accept", "chance": 0.005},
    {"kind": "hang_after_accept", "chance": 0.005, "seconds": 1.0},
    {"kind": "truncate_after_accept", "chance": 0.01},
    {"kind": "rate_limited", "on": "order.place", "chance": 0.005},
    {"kind": "maintenance", "on": "account", "chance": 0.002},
    {"kind": "drop_after_accept", "on": "order.cancel", "chance": 0.02},
    {"kind": "drop_before_accept", "on": "order.cancel", "chance": 0.02},
    {"kind": "partial_fill", "chance": 0.3, "fraction": 0.4},
    {"kind": "cancel_fill_race", "chance": 0.1},
    {"kind": "duplicate_trade", "chance": 0.1},
    {"kind": "late_trade", "chance": 0.1},
    {"kind": "websocket_drop", "on": "user", "chance": 0.0004},
    {"kind": "websocket_drop", "chance": 0.0001},
    {"kind": "mute_socket", "on": "user", "chance": 0.0001},
)
"""What befalls the session, each by its chance at every occasion."""


class Sample(NamedTuple):
    """Memory of the trading process: since the soak and since the process began, seconds; resident, MB."""

    seconds: float
    life: int
    lived: float
    resident_mb: float


@dataclass
class Soaked:
    """What a soak found.

    Attributes
    ----------
    grown_mb
        Largest growth of one process after its first ten minutes; None where none lived so long.
    problems
        What differs from the venue's truth; empty when it passed.
    """

    problems: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    kills: int = 0
    starts: int = 0
    turns: int = 0
    orders: int = 0
    trades: int = 0
    struck: dict[str, int] = field(default_factory=dict)
    rulings: dict[str, int] = field(default_factory=dict)

    @property
    def grown_mb(self) -> float | None:
        """See the class."""
        grown = []
        for life in {sample.life for sample in self.samples}:
            late = [one.resident_mb for one in self.samples if one.life == life and one.lived >= GROWTH_AFTER_SECS]
            if late:
                grown.append(max(late) - late[0])
        return max(grown, default=None)


def configuration(folder: Path, seconds: float, seed: int, bars_a_second: float = BARS_A_SECOND) -> Config:
    """Write a market that lasts as long as the soak, and return what trades it."""
    bars = WARM_BARS + int(seconds * bars_a_second) + 200
    store_markets(folder / "catalog", synthesise("null", bars, seed), [INSTRUMENT])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=WARM_BARS)
    return parse(
        {
            "run": {"name": "soak", "seed": seed},
            "data": {"catalog": str(folder / "catalog"), "start": start},
            "universe": {"instruments": [INSTRUMENT], "bar": "1-HOUR"},
            "venue": {"balance": "100000 USDT", "leverage": 3.0, "taker_bps": 1.0, "maker_bps": 0.5, "funding": False},
            "strategy": {"name": "live.recovery.drilled:Drilled"},
            "limits": {"max_position_frac": 0.5, "max_drawdown_frac": 0.9, "daily_loss_frac": 0.5},
            "actors": {"breaker": {"confidence": 0.0001, "loss_streak": 1000}},
            "live": {"market": "usdm"},
            "rehearsal": {
                "pace": "real_time",
                "speed": 3600.0 * bars_a_second,
                "path": "ohlc",
                "faults": [{"count": None, **fault} for fault in FAULTS],
            },
        }
    )


class Soak:
    """One soak.

    Parameters
    ----------
    folder
        To work in; empty.
    seconds, kills, seed
        How long, how often it is killed, and what draws the moments and the faults.
    say
        Called with a line a minute, and with one for everything that happens.
    """

    def __init__(self, folder: Path, seconds: float, kills: int, seed: int, say: Callable[[str], None]) -> None:
        self._folder, self._seconds, self._say = folder, seconds, say
        draw = Random(f"soak/{seed}")
        low, high = KILLS
        width = (high - low) / max(1, kills)
        self._kills = [seconds * (low + width * (number + draw.random())) for number in range(kills)]
        self._config = configuration(folder, seconds, seed)
        self._found = Soaked()
        self._process: subprocess.Popen[bytes] | None = None
        self._born = self._began = 0.0

    @property
    def _out(self) -> Path:
        return self._folder / "session.out"

    def run(self) -> Soaked:
        """Soak to the end, and compare."""
        found = self._found
        with stage(self._config, self._folder, "live") as hosted:
            assert hosted is not None
            self._began = time.monotonic()
            playing = hosted.play()
            try:
                self._start(False)
                self._through(hosted)
            finally:
                if self._process is not None and self._process.poll() is None:
                    self._process.kill()
                    self._process.wait()
                playing.cancel()
            market = self._config.live.market
            run = self._folder / "var" / "runs" / "soak-0001"
            if not found.problems:
                found.problems += problems_of(run, truth(hosted.rehearsal.exchange)[market], 100_000)
            self._count(hosted, run, market)
        grown = found.grown_mb
        if grown is not None and grown > MOST_GROWTH_MB:
            found.problems.append(f"memory grew by {grown:.0f} MB after the first ten minutes")
        return found

    def _start(self, resumed: bool) -> None:
        environment = {
            **os.environ,
            **ENVIRONMENT,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).resolve().parents[2])]),
        }
        chosen = ["--resume", "soak-0001"] if resumed else ["config.toml"]
        command = [sys.executable, "-m", "engine.cli", "live", *chosen, "--yes"]
        with self._out.open("ab") as file:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=file, stderr=subprocess.STDOUT
            )
        self._found.starts += 1
        self._born = time.monotonic()

    def _through(self, hosted: HostedExchange) -> None:
        due, minute, failed = list(self._kills), 0.0, 0
        while (passed := time.monotonic() - self._began) < self._seconds:
            time.sleep(0.2)
            process = self._process
            assert process is not None
            if process.poll() is not None:
                failed += 1
                self._say(f"{passed:7.1f} s the session ended with {process.returncode}: {self._tail()}")
                if failed > ATTEMPTS or (self._folder / "var" / "runs" / "soak-0001").is_dir():
                    self._found.problems.append(
                        f"the session ended by itself with {process.returncode}: {self._tail()}"
                    )
                    return
                self._start(self._begun)
            elif due and passed >= due[0] and self._begun:
                due.pop(0)
                process.kill()
                process.wait()
                self._found.kills += 1
                self._say(f"{passed:7.1f} s killed, {self._turns()} turns so far")
                self._start(True)
            if passed >= minute:
                minute += 60.0 if self._seconds > 120.0 else 10.0
                self._sample(passed, hosted)
        for one in status(hosted.rehearsal)["faults"]:
            self._found.struck[one["kind"]] = self._found.struck.get(one["kind"], 0) + one["struck"]
        hosted.rehearsal.exchange.faults.clear()
        time.sleep(QUIET_SECS)
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(120.0)
        except subprocess.TimeoutExpired:
            self._found.problems.append("the session did not end in order within 120 s")
            return
        if code != 0:
            self._found.problems.append(f"the session ended with {code}: {self._tail()}")

    @property
    def _begun(self) -> bool:
        return (self._folder / "var" / "runs" / ".soak-0001.partial" / "journal.sqlite").is_file()

    def _sample(self, passed: float, hosted: HostedExchange) -> None:
        assert self._process is not None
        lived = time.monotonic() - self._born
        resident = _resident_mb(self._process.pid)
        self._found.samples.append(Sample(passed, self._found.starts, lived, resident))
        orders = len(hosted.rehearsal.exchange.venues[self._config.live.market].orders)
        self._say(
            f"{passed:7.1f} s process {self._found.starts}, {resident:6.1f} MB resident,"
            f" {self._turns():,} turns, {orders:,} orders at the venue"
        )

    def _turns(self) -> int:
        from engine.journal.run import STORE
        from engine.journal.store import held

        return held(self._folder / "var" / "runs" / ".soak-0001.partial" / STORE).decisions

    def _tail(self) -> str:
        lines = self._out.read_text(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-3:])

    def _count(self, hosted: HostedExchange, run: Path, market: str) -> None:
        found, venue = self._found, hosted.rehearsal.exchange.venues["usdm" if market == "usdm" else "spot"]
        found.orders, found.trades = len(venue.orders), len(venue.trades)
        path = run / "recovery.jsonl"
        text = path.read_text() if path.is_file() else ""
        for rule in re.findall(r'"rule":"([^"]*)"', text):
            found.rulings[rule] = found.rulings.get(rule, 0) + 1
        journal = run / "journal.parquet"
        if journal.is_file():
            import pyarrow.parquet as pq

            found.turns = pq.read_metadata(journal).num_rows


def _resident_mb(pid: int) -> float:
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return float("nan")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return float("nan") if found is None else int(found.group(1)) / 1024.0
