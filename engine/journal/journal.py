"""The decision journal: one row per instrument and decision, hash-chained, approved or refused with the reason.

`decisions_sha256` is the head of the chain over the decision columns alone, so it names what was decided and nothing of when or where
the program ran: two runs that decide the same have the same one.
"""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from engine.contract.errors import DataError, broken
from engine.journal.state import Component

APPROVED = "approved"
GENESIS = hashlib.sha256(b"huracan journal 1").hexdigest()

SCHEMA = pa.schema(
    [
        ("ts_event", pa.int64()),
        ("instrument_id", pa.string()),
        ("seq", pa.int64()),
        ("policy", pa.string()),
        ("version", pa.string()),
        ("observation_sha", pa.string()),
        ("context", pa.string()),
        ("raw_action", pa.float64()),
        ("action", pa.float64()),
        ("confidence", pa.float64()),
        ("target_exposure", pa.float64()),
        ("budget", pa.float64()),
        ("headroom", pa.string()),
        ("gate", pa.string()),
        ("order_key", pa.string()),
        ("missing", pa.string()),
        ("chain", pa.string()),
    ]
)


class Entry(NamedTuple):
    """One decision on one instrument; every field is a decision column.

    Attributes
    ----------
    ts_event
        Event time of the turn, UTC ns.
    instrument_id, seq
        The instrument, and the number of the turn from 0.
    policy, version
        Who decided; a baseline has its strategy name and the version "".
    observation_sha
        First 16 hexadecimal digits of the SHA-256 over the row's input tensors; "" for a baseline.
    context
        JSON of what the actors said in this turn.
    raw_action, action
        What the policy answered, and what the mask and the contract made of it; target exposures for a baseline.
    confidence
        In [0, 1]; 1 for a baseline.
    target_exposure
        Signed fraction of the budget.
    budget
        Value that an exposure of 1 means, quote.
    headroom
        JSON of limit name to what is left of it before this order.
    gate
        `approved`, `hold` where nothing was to be traded, or `refused: <reason>`.
    order_key
        Names the order in `orders.parquet` and `fills.parquet`; "" where none was made.
    missing
        Comma-separated instruments whose bar did not come in time.
    """

    ts_event: int
    instrument_id: str
    seq: int
    policy: str
    version: str
    observation_sha: str
    context: str
    raw_action: float
    action: float
    confidence: float
    target_exposure: float
    budget: float
    headroom: str
    gate: str
    order_key: str
    missing: str


class Chain:
    """The hash over all entries so far: head = SHA-256(head before, canonical JSON of the entry)."""

    def __init__(self, head: str = GENESIS) -> None:
        self.head = head
        self._encoder = msgspec.json.Encoder()

    def follow(self, entry: Entry) -> str:
        """Advance by one entry and return the new head."""
        digest = hashlib.sha256(self.head.encode())
        digest.update(self._encoder.encode(entry))
        self.head = digest.hexdigest()
        return self.head


class Journal:
    """Collects entries and their chain in memory; `engine.journal.store` has one that survives the process.

    Attributes
    ----------
    latest
        Instrument id to its last entry.
    """

    def __init__(self) -> None:
        self.latest: dict[str, Entry] = {}
        self._rows: list[tuple[Any, ...]] = []
        self._chain = Chain()

    def append(self, entry: Entry) -> None:
        """Add one entry and advance the chain."""
        self.latest[entry.instrument_id] = entry
        self._rows.append((*entry, self._chain.follow(entry)))

    def end_turn(self, ts_event: int, components: Mapping[str, Component]) -> None:
        """Hear that a turn is over; a journal that survives the process takes the states of the components here.

        Parameters
        ----------
        ts_event
            Event time of the turn, UTC ns.
        """

    def undo_turn(self) -> None:
        """Hear that the turn failed; a journal that survives the process forgets it here."""

    def end(self) -> None:
        """Hear that the session is over."""

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Entry]:
        return (Entry(*row[:-1]) for row in self._rows)

    @property
    def decisions_sha256(self) -> str:
        """Head of the chain."""
        return self._chain.head

    @property
    def entries(self) -> list[Entry]:
        """All entries, in the order of their decisions."""
        return list(self)

    def write(self, path: Path) -> None:
        """Write the entries with their chain as Parquet."""
        columns: list[Any] = list(zip(*self._rows)) or [[] for _ in SCHEMA]
        arrays = [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA)]
        pq.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA), path, compression="zstd")


def read(path: Path) -> list[Entry]:
    """Read a journal and verify its chain.

    Raises
    ------
    DataError
        The file is missing, or a row was altered, removed or added: its chain does not follow.
    """
    if not path.is_file():
        raise DataError(broken("journal", "be a file", path, remedy="huracan runs lists the runs"))
    rows = pq.read_table(path, schema=SCHEMA).to_pylist()
    journal = Journal()
    for number, row in enumerate(rows):
        chain = row.pop("chain")
        journal.append(Entry(**row))
        if journal.decisions_sha256 != chain:
            raise DataError(
                broken(f"journal row {number}", f"have chain {journal.decisions_sha256[:12]}", chain[:12], str(path))
            )
    return journal.entries
