"""The journal is a chain: equal decisions give equal hashes, an altered row is found."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.contract.errors import DataError
from engine.journal.journal import GENESIS, Entry, Journal, read

ENTRY = Entry(5, "A.X", 0, "p", "1", "ab", "{}", 1.0, 1.0, 0.5, 0.25, 100.0, "{}", "approved", "0:A.X", "")


def journal(*entries: Entry) -> Journal:
    made = Journal()
    for entry in entries:
        made.append(entry)
    return made


def test_empty_journal_has_the_first_link():
    assert Journal().decisions_sha256 == GENESIS


def test_equal_decisions_give_equal_hashes_and_any_other_field_another():
    base = journal(ENTRY).decisions_sha256
    assert journal(ENTRY).decisions_sha256 == base
    others = {
        journal(ENTRY._replace(**{name: _other(value)})).decisions_sha256 for name, value in ENTRY._asdict().items()
    }
    assert base not in others
    assert len(others) == len(Entry._fields)


def _other(value):
    return value + "x" if isinstance(value, str) else value + 1


def test_order_of_decisions_is_part_of_the_hash():
    second = ENTRY._replace(seq=1)
    assert journal(ENTRY, second).decisions_sha256 != journal(second, ENTRY).decisions_sha256


def test_written_journal_reads_back_equal(tmp_path):
    made = journal(ENTRY, ENTRY._replace(seq=1, gate="refused: x"))
    made.write(tmp_path / "journal.parquet")
    assert read(tmp_path / "journal.parquet") == made.entries


@pytest.mark.parametrize("damage", ["alter", "remove"])
def test_altered_or_removed_row_is_found(tmp_path, damage):
    path = tmp_path / "journal.parquet"
    journal(ENTRY, ENTRY._replace(seq=1), ENTRY._replace(seq=2)).write(path)
    rows = pq.read_table(path).to_pylist()
    if damage == "alter":
        rows[1]["target_exposure"] = 0.26
    else:
        del rows[1]
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)
    with pytest.raises(DataError, match="journal row 1 must have chain"):
        read(path)
