"""The record of a finished run, from its tables."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.journal import run as files
from engine.journal.blotter import BreakerChange
from live.dashboard.record import DECISION, FILL, OF_INSTRUMENT, TURN, Record


def read_record(folder: Path, instruments: list[str]) -> Record:
    """Read what a finished run did; a table that is not there leaves its part empty.

    Parameters
    ----------
    folder
        Of the run.
    instruments
        In configuration order.
    """
    record = Record(list(instruments))
    if (folder / files.EQUITY).is_file():
        table = pq.read_table(folder / files.EQUITY)
        names = [*TURN, *(f"{name}:{one}" for name in OF_INSTRUMENT for one in record.instruments)]
        record.turns.extend(table["ts_event"].to_numpy(), _columns(table, names))
    if (folder / files.JOURNAL).is_file():
        columns = ["ts_event", "instrument_id", *DECISION[1:], "gate", "context"]
        table = pq.read_table(folder / files.JOURNAL, columns=columns)
        places = _places(record, table)
        record.decisions.extend(
            table["ts_event"].to_numpy(), np.column_stack([places, _columns(table, list(DECISION[1:]))])
        )
        record.gates, record.contexts = table["gate"].to_pylist(), table["context"].to_pylist()
    if (folder / files.FILLS).is_file():
        table = pq.read_table(folder / files.FILLS)
        values = np.column_stack([_places(record, table), _columns(table, list(FILL[1:]))])
        record.fills.extend(table["ts_event"].to_numpy(), values)
        record.fill_keys = table["order_key"].to_pylist()
    if (folder / files.BREAKER).is_file():
        record.changes = [BreakerChange(**row) for row in pq.read_table(folder / files.BREAKER).to_pylist()]
    return record


def _columns(table: pa.Table, names: list[str]) -> np.ndarray:
    return np.column_stack([table[name].to_numpy().astype(np.float64) for name in names])


def _places(record: Record, table: pa.Table) -> np.ndarray:
    """Instrument ids as places, each name looked up once."""
    coded = table["instrument_id"].combine_chunks().dictionary_encode()
    known = np.array([record.place(name) for name in coded.dictionary.to_pylist()], dtype=np.float64)
    return known[coded.indices.to_numpy()] if len(coded) else np.zeros(0)
