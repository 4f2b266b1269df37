"""What is sent to whoever watches: a snapshot, then what has changed?

A *view* has rows by key. Those of some views stand in topics; those of others are computed from
time to time, and compared with what they were.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from farandole.operations.read_model.change_journal import ChangeJournal
from farandole.operations.read_model.revision import Place, Revision

Rows = Mapping[str, Any]
"""JSON data by key."""


class ViewChange(NamedTuple):
    """What has changed in a view."""

    whole: bool
    """True if `rows` are all rows, and others are to be forgotten."""
    rows: Rows
    removed: list[str]


class LiveView:
    """One view."""

    def __init__(
        self,
        journal: ChangeJournal,
        rows: Callable[[], Rows],
        row: Callable[[str], Any],
        *,
        most: int = 1_000,
        resumes: bool = True,
        only: str | None = None,
    ) -> None:
        """`rows` returns all rows, or the ones to begin with; `row` the one of a key, None if it is
        gone. `most`: how many changed rows are sent; if there are more, all rows are sent.
        `resumes`: whether all rows stand in topics, so that a revision says which are known.
        `only`: the one key that counts; None for all."""
        self._journal = journal
        self._rows = rows
        self._row = row
        self._most = most
        self.resumes = resumes
        self._only = only

    @property
    def tick(self) -> int:
        """The number of the newest change."""
        return self._journal.tick

    def whole(self) -> ViewChange:
        """Return all rows."""
        return ViewChange(True, self._rows(), [])

    def since_revision(self, revision: Revision) -> ViewChange:
        """Return what has changed since a revision."""
        if not self.resumes:
            return self.whole()
        return self._changed(self._journal.since_revision(revision))

    def since_tick(self, tick: int, known: Revision) -> ViewChange:
        """Return what has changed since `tick` was the newest change. A row of a place that `known`
        contains is left out: another replica has sent it, or a later one."""
        keys = self._journal.since_tick(tick)
        if keys is not None:
            keys = [key for key in keys if not self._is_known(key, known)]
        return self._changed(keys)

    def _is_known(self, key: str, known: Revision) -> bool:
        place: Place | None = self._journal.place_of(key)
        return place is not None and known.contains(place)

    def _changed(self, keys: list[str] | None) -> ViewChange:
        if keys is not None and self._only is not None:
            keys = [key for key in keys if key == self._only]
        if keys is None or len(keys) > self._most:
            return self.whole()
        rows, removed = {}, []
        for key in keys:
            row = self._row(key)
            if row is None:
                removed.append(key)
            else:
                rows[key] = row
        return ViewChange(False, rows, removed)


class ComputedRows:
    """The rows of a view that are computed."""

    def __init__(self) -> None:
        self.journal = ChangeJournal()
        self.rows: Rows = {}

    def update(self, rows: Rows) -> bool:
        """Replace the rows. Return True if any has changed."""
        before = self.rows
        changed = [key for key, row in rows.items() if key not in before or before[key] != row]
        removed = [key for key in before if key not in rows]
        for key in [*changed, *removed]:
            self.journal.note(key)
        self.rows = rows
        return bool(changed or removed)

    def view(self) -> LiveView:
        """Return the view of these rows."""
        return LiveView(
            self.journal, lambda: self.rows, lambda key: self.rows.get(key), resumes=False
        )
