"""What do the newest looks at folders mean for the schedules, and which looks are not used up yet?

A look is used up once each schedule that waits for its files has had all that is new in it. One
that has more than there is room for is kept until there is room, or a newer look is there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple

from farandole.events.schedule_row import Arrival
from farandole.events.schedule_spec import DependencySpec, ScheduleSpec
from farandole.scheduler.facts import FolderLook
from farandole.scheduler.file_arrivals import (
    NOTHING_KNOWN,
    FolderName,
    KnownFiles,
    fold_look,
    keys_of,
    restore_known_files,
)
from farandole.scheduler.run_arrivals import ScheduleName

MAX_ROWS = 2_000
"""Rows of files in one transaction; further ones follow in the next."""

Room = Callable[[ScheduleName, str], int]
"""Returns how many arrivals a schedule can take now of a dependency, given by its index as text."""


class FilesTaken(NamedTuple):
    """What new files mean for a schedule, and what is to be written with it."""

    schedule: ScheduleName
    arrivals: Mapping[str, Sequence[Arrival]]
    """By the index of the dependency, as text."""
    rows: Mapping[bytes, bytes | None]


class _Watch(NamedTuple):
    """A schedule that waits for files."""

    name: FolderName
    indexes: Sequence[str]
    """Of its dependencies on them."""
    existing: bool
    begins: datetime
    every: float

    @property
    def schedule(self) -> ScheduleName:
        return self.name.pipeline, self.name.schedule


class FileIntake:
    """What was seen of the files that schedules wait for."""

    def __init__(self) -> None:
        self._known: dict[FolderName, KnownFiles] = {}
        self._watches: dict[FolderName, _Watch] = {}
        self._looks: dict[str, FolderLook] = {}
        """The newest look at each URL."""
        self._unused: dict[FolderName, None] = {}
        """Whose newest look is to be folded."""
        self._full: set[FolderName] = set()
        """Whose newest look has more than there was room for."""
        self._by_schedule: dict[ScheduleName, list[FolderName]] = {}

    def restore(self, rows: Mapping[bytes, bytes]) -> None:
        """Forget all looks, and remember what the rows of the lane's state say. Raises
        NewerFormatError."""
        self.__init__()  # type: ignore[misc]
        self._known = restore_known_files(rows)

    def expect(
        self,
        schedules: Iterable[tuple[ScheduleName, ScheduleSpec, Sequence[datetime]]],
        resting: Set[str],
    ) -> dict[bytes, bytes | None]:
        """Take what comes from now on for these schedules: with each comes since when it waits for
        each of its dependencies. Return the rows to delete, of what no schedule waits for any more.
        What the pipelines in `resting` wait for is not known."""
        self._watches = {watch.name: watch for each in schedules for watch in _watches(*each)}
        self._by_schedule = {}
        for name, watch in self._watches.items():
            self._by_schedule.setdefault(watch.schedule, []).append(name)
        urls = {name.file for name in self._watches}
        self._looks = {url: look for url, look in self._looks.items() if url in urls}
        deleted: dict[bytes, bytes | None] = {}
        for name in [*self._known]:
            if name not in self._watches and name.pipeline not in resting:
                deleted |= dict.fromkeys(keys_of(name, self._known.pop(name)))
        self._full &= self._watches.keys()
        self._unused = {
            name: None
            for name in self._watches
            if name.file in self._looks and name not in self._full
        }
        return deleted

    @property
    def urls(self) -> dict[str, float]:
        """At which URLs somebody is to look, each after so many seconds."""
        urls: dict[str, float] = {}
        for watch in self._watches.values():
            url = watch.name.file
            urls[url] = min(watch.every, urls.get(url, watch.every))
        return urls

    def take_looks(self, looks: Mapping[str, FolderLook]) -> Collection[ScheduleName]:
        """Take the newest looks. Return the schedules whose `problem` has changed."""
        changed = []
        for name, watch in self._watches.items():
            look = looks.get(name.file)
            if look is None:
                continue
            known = self._looks.get(name.file)
            if look.problem != ("" if known is None else known.problem):
                changed.append(watch.schedule)
            self._unused[name] = None
            self._full.discard(name)
        urls = {name.file for name in self._watches}
        self._looks |= {url: each for url, each in looks.items() if url in urls}
        return changed

    @property
    def has_some(self) -> bool:
        """True if `fold` would return some."""
        return bool(self._unused)

    def fold(self, room: Room, now: datetime) -> Iterator[FilesTaken]:
        """Yield what is new in the looks, about `MAX_ROWS` files in all. The caller gives each to
        its schedule before it asks for the next. A file comes when it is taken: one that had to
        wait for room is not old for that."""
        rows = 0
        while self._unused and rows < MAX_ROWS:
            name = next(iter(self._unused))
            del self._unused[name]
            watch, known = self._watches[name], self._known.get(name, NOTHING_KNOWN)
            done = fold_look(
                name,
                known,
                self._looks[name.file]._replace(at=now),
                min(room(watch.schedule, index) for index in watch.indexes),
                watch.begins,
                existing=watch.existing,
            )
            self._known[name] = done.known
            rows += len(done.rows)
            if not done.is_done:
                if done.rows:
                    self._unused[name] = None
                else:
                    self._full.add(name)
            if done.rows:
                of_each = dict.fromkeys(watch.indexes, done.arrivals) if done.arrivals else {}
                yield FilesTaken(watch.schedule, of_each, done.rows)

    def note_room(self, schedule: ScheduleName) -> None:
        """Fold again what a schedule had no room for: it may have some now."""
        for name in self._by_schedule.get(schedule, ()):
            if name in self._full:
                self._full.discard(name)
                self._unused[name] = None

    def problem(self, schedule: ScheduleName) -> str:
        """Return why the files cannot be seen that a schedule waits for, and what to do; empty if
        they can."""
        found = (
            self._looks[name.file].problem
            for name in self._by_schedule.get(schedule, ())
            if name.file in self._looks
        )
        return next(filter(None, found), "")

    def has_looked(self, spec: ScheduleSpec) -> bool:
        """Return True if somebody has looked at everything that a schedule waits for, also in
        vain."""
        return all(not each.file or each.file in self._looks for each in spec.after)


def _watches(
    schedule: ScheduleName, spec: ScheduleSpec, begins: Sequence[datetime]
) -> Iterator[_Watch]:
    """Yield what a schedule waits for, the dependencies on the same files together."""
    places: dict[str, list[int]] = {}
    for index, each in enumerate(spec.after):
        if each.file:
            places.setdefault(each.file, []).append(index)
    for file, indexes in places.items():
        same: list[DependencySpec] = [spec.after[index] for index in indexes]
        yield _Watch(
            FolderName(*schedule, file),
            [str(index) for index in indexes],
            existing=any(each.existing for each in same),
            begins=min(begins[index] for index in indexes),
            every=min(each.every for each in same),
        )
