"""The journal of a session that is run again: what it wrote before must come again, row by row; then it goes on.

Until the last stored row has come again nothing is written. At the turn whose end the states were saved at, every component must be in
the state that was stored, and is then put into the one that was stored: what follows runs on the restored state. A store that holds
nothing yet is simply written.
"""

from collections.abc import Mapping
from typing import Any

from engine.contract.calendar import iso
from engine.contract.errors import DataError, broken
from engine.journal.journal import Entry
from engine.journal.state import Component, Saved, decode, encode
from engine.journal.store import Store, StoredJournal

REMEDY = "nothing was lost; it is the code, the data or the policy that decides otherwise now: back-test afresh"


class ReplayDiffers(DataError):
    """A session that was run again did not do what it did before."""


class ResumedJournal(StoredJournal):
    """A stored journal that holds a replay to what the store has, and then appends to it.

    Parameters
    ----------
    store
        New, or left behind by the session that is run again from its start.

    Raises
    ------
    DataError
        The store's states are not those of one turn, or were altered.
    """

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self._before = store.entries()
        self._expected = next(self._before, None)
        self._checked = 0
        self._saved = {name: _load(store, name) for name in store.components()}
        times = {saved.ts_event for saved in self._saved.values()}
        if len(times) > 1:
            raise DataError(broken("states", "be of one turn", ", ".join(map(iso, sorted(times))), str(store.path)))
        self._saved_ns = times.pop() if times else -1

    @property
    def replaying(self) -> bool:
        """Whether something that is stored has not come again yet."""
        return self._expected is not None or bool(self._saved)

    def append(self, entry: Entry) -> None:
        """Hold an entry to the stored one, or, where nothing stored is left, add it to the store.

        Raises
        ------
        ReplayDiffers
            The entry is not the stored one; the message names the first differing field and both values.
        """
        if not self.replaying:
            super().append(entry)
            return
        stored = self._expected
        name = f"decision {self._checked} of the replay"
        where = f"{iso(entry.ts_event)} {entry.instrument_id}"
        if stored is None:
            raise ReplayDiffers(broken(name, "be absent, as stored", "made", where, REMEDY))
        if encode(entry._asdict()) != encode(stored._asdict()):
            field, left, right = _difference(stored._asdict(), entry._asdict()) or ("", stored, entry)
            raise ReplayDiffers(broken(f"{field} of {name}", f"be {left!r}, as stored", repr(right), where, REMEDY))
        self.latest[entry.instrument_id] = entry
        self._checked += 1
        self._expected = next(self._before, None)

    def end_turn(self, ts_event: int, components: Mapping[str, Component]) -> None:
        """Hold the components to the stored states at the turn of these, and restore them; later, end the turn in the store.

        Raises
        ------
        ReplayDiffers
            A component, or a value in its state, is not the stored one.
        """
        if self._saved and ts_event >= self._saved_ns:
            self._restore(ts_event, components)
        elif not self.replaying:
            super().end_turn(ts_event, components)

    def _restore(self, ts_event: int, components: Mapping[str, Component]) -> None:
        if ts_event != self._saved_ns:
            rule = f"come again at {iso(self._saved_ns)}"
            raise ReplayDiffers(broken("turn", rule, iso(ts_event), str(self.store.path), REMEDY))
        if set(components) != set(self._saved):
            rule = f"be {', '.join(sorted(self._saved))}, as stored"
            raise ReplayDiffers(broken("components", rule, ", ".join(sorted(components)), iso(ts_event), REMEDY))
        for name, saved in self._saved.items():
            found = encode(components[name].state())
            if found != encode(saved.state):
                key, left, right = _difference(saved.state, decode(found)) or ("", saved.state, found)
                rule = f"be {_short(left)}, as stored"
                raise ReplayDiffers(broken(f"{key} of the state of {name}", rule, _short(right), iso(ts_event), REMEDY))
        for name, saved in self._saved.items():
            components[name].restore(saved.state)
        self._saved = {}

    def end(self) -> None:
        """Make every turn durable.

        Raises
        ------
        ReplayDiffers
            Something that is stored did not come again.
        """
        if self._expected is not None:
            left = len(self) - self._checked
            name, where = f"decision {self._checked} of the replay", f"{left} stored ones are left"
            raise ReplayDiffers(broken(name, f"come at {iso(self._expected.ts_event)}", "absent", where, REMEDY))
        if self._saved:
            raise ReplayDiffers(broken("turn", f"come again at {iso(self._saved_ns)}", "absent", "", REMEDY))
        super().end()


def _load(store: Store, name: str) -> Saved:
    saved = store.load(name)
    assert saved is not None
    return saved


def _difference(stored: Any, found: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Return the first path at which two values differ, with both values there."""
    if isinstance(stored, dict) and isinstance(found, dict):
        for key in [*stored, *(key for key in found if key not in stored)]:
            inner = f"{path}.{key}" if path else str(key)
            if key not in stored or key not in found:
                return inner, stored.get(key, "absent"), found.get(key, "absent")
            if (different := _difference(stored[key], found[key], inner)) is not None:
                return different
        return None
    if isinstance(stored, list | tuple) and isinstance(found, list | tuple) and len(stored) == len(found):
        for number, pair in enumerate(zip(stored, found)):
            if (different := _difference(*pair, f"{path}[{number}]")) is not None:
                return different
        return None
    return None if encode({"": stored}) == encode({"": found}) else (path, stored, found)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
