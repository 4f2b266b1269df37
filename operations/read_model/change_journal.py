"""Which rows of a view have changed since somebody looked last?

The journal has one entry for each key, that of its newest change, so whoever is slow costs no
memory: it gets the newest state of what changed, not each change. It is bounded; whoever is farther
behind than it goes back needs a snapshot.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from farandole.operations.read_model.revision import Place, Revision

MAX_ENTRIES = 10_000


class _Entry(NamedTuple):
    tick: int
    place: Place | None
    """None for a row that stands in no topic."""


class ChangeJournal:
    """The newest changes of one view, by key."""

    def __init__(self, most: int = MAX_ENTRIES) -> None:
        self._most = most
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._tick = 0
        self._forgotten_tick = 0
        self._forgotten: dict[str, int] = {}
        """By source, the offset before which changes may be missing here."""

    def __len__(self) -> int:
        """How many changes are kept."""
        return len(self._entries)

    @property
    def tick(self) -> int:
        """A number that grows with each change. It means something to this journal alone."""
        return self._tick

    def note(self, key: str, place: Place | None = None) -> None:
        """Note that the row of a key has changed, or was removed."""
        self._tick += 1
        self._entries[key] = _Entry(self._tick, place)
        self._entries.move_to_end(key)
        while len(self._entries) > self._most:
            _, oldest = self._entries.popitem(last=False)
            self._forgotten_tick = oldest.tick
            if oldest.place is not None:
                self.begin(oldest.place._replace(offset=oldest.place.offset + 1))

    def begin(self, place: Place) -> None:
        """Note that changes before this place are not in the journal."""
        source, offset = place
        self._forgotten[source] = max(offset, self._forgotten.get(source, 0))

    def forget_all(self) -> None:
        """Note that anything may have changed."""
        self._tick += 1
        self._entries.clear()
        self._forgotten_tick = self._tick

    def since_tick(self, tick: int) -> list[str] | None:
        """Return the keys that have changed since then, the last change last; None if the journal
        does not go back so far."""
        if tick < self._forgotten_tick:
            return None
        found = [key for key, _ in self._newest_until(tick)]
        return found[::-1]

    def since_revision(self, revision: Revision) -> list[str] | None:
        """Return the keys whose newest change that revision does not contain; None if the journal
        does not go back so far. A change without a place is always among them."""
        if any(revision[source] < offset for source, offset in self._forgotten.items()):
            return None
        return [
            key
            for key, entry in self._entries.items()
            if entry.place is None or not revision.contains(entry.place)
        ]

    def place_of(self, key: str) -> Place | None:
        """Return where the newest change of a key stands; None if that is not known."""
        entry = self._entries.get(key)
        return entry.place if entry else None

    def _newest_until(self, tick: int) -> Iterator[tuple[str, _Entry]]:
        for key, entry in reversed(self._entries.items()):
            if entry.tick <= tick:
                return
            yield key, entry
