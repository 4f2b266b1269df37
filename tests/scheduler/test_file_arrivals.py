"""Does each content of a file count once?"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farandole.scheduler import file_arrivals
from farandole.scheduler.facts import FolderLook, SeenFile
from farandole.scheduler.file_arrivals import (
    NOTHING_KNOWN,
    FileArrivals,
    FolderName,
    KnownFiles,
    fold_look,
    keys_of,
    restore_known_files,
)
from farandole.scheduler.file_listing import with_settled

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
MORNING = NOON - timedelta(hours=4)
IN = FolderName("reports", "daily", "in/*.csv")


def seen(
    url: str = "a", identity: str = "1", *, settled: bool = True, modified: datetime | None = NOON
) -> SeenFile:
    return SeenFile(url, identity, 3, modified, "", settled)


def fold(
    *files: SeenFile,
    known: KnownFiles = NOTHING_KNOWN,
    room: int = 100,
    existing: bool = True,
    at: datetime = NOON,
) -> FileArrivals:
    return fold_look(IN, known, FolderLook(at, files), room, MORNING, existing=existing)


def urls(result: FileArrivals) -> list[str]:
    return [each.cause for each in result.arrivals]


def test_a_new_file_is_an_arrival_at_the_time_of_the_look() -> None:
    (arrival,) = fold(seen()).arrivals
    assert (arrival.at, arrival.cause) == (NOON, "a")
    assert arrival.detail == {"size": "3", "modified": "2026-11-30T12:00:00+00:00"}


def test_a_file_counts_once() -> None:
    assert not urls(fold(seen(), known=fold(seen()).known))


def test_a_file_that_is_being_written_does_not_count_yet() -> None:
    assert not urls(fold(seen(settled=False)))


def test_a_file_with_another_content_counts_again() -> None:
    assert urls(fold(seen(identity="2"), known=fold(seen()).known)) == ["a"]


def test_a_file_that_is_replaced_is_not_gone_meanwhile() -> None:
    known = fold(seen()).known
    assert not fold(seen(identity="2", settled=False), known=known).rows


def test_files_count_in_the_order_in_which_they_were_written() -> None:
    files = [seen("a"), seen("b", modified=MORNING), seen("c", modified=None)]
    assert urls(fold(*files)) == ["c", "b", "a"]


def test_what_finds_no_room_counts_at_the_next_look() -> None:
    first = fold(seen("a"), seen("b"), room=1)
    assert (urls(first), first.is_done) == (["a"], False)
    second = fold(seen("a"), seen("b"), known=first.known)
    assert (urls(second), second.is_done) == (["b"], True)


def test_a_look_that_failed_changes_nothing() -> None:
    known = fold(seen()).known
    look = FolderLook(NOON, problem="in/: no answer")
    failed = fold_look(IN, known, look, 100, MORNING, existing=True)
    assert (failed.arrivals, failed.known, failed.rows) == ((), known, {})


def test_a_file_that_was_away_does_not_count_again() -> None:
    known = fold(known=fold(seen()).known).known
    assert known.files["a"].gone == NOON
    back = fold(seen(), known=known)
    assert not urls(back)
    assert back.known.files["a"].gone is None


def test_a_file_that_was_written_again_after_it_was_gone_counts() -> None:
    known = fold(known=fold(seen(identity="etag of nothing")).known).known
    tomorrow = NOON + timedelta(days=1)
    again = fold(seen(identity="etag of nothing", modified=tomorrow), known=known)
    assert urls(again) == ["a"]


def test_a_file_that_is_gone_for_long_is_forgotten() -> None:
    known = fold(known=fold(seen()).known).known
    later = fold(known=known, at=NOON + timedelta(days=8))
    assert not later.known.files
    assert list(later.rows.values()) == [None]


def test_no_more_than_some_files_that_are_gone_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_arrivals, "MAX_GONE", 1)
    known = fold(seen("a"), seen("b")).known
    assert len(fold(known=known).known.files) == 1


def test_a_transaction_notes_no_more_than_some_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_arrivals, "MAX_NOTED", 2)
    known = fold(*map(seen, "abc")).known
    first = fold(known=known)
    assert (len(first.rows), first.is_done) == (2, False)
    assert fold(known=first.known).is_done


def test_files_of_before_the_schedule_do_not_count_if_it_says_so() -> None:
    old = seen("a", modified=MORNING - timedelta(hours=1))
    assert urls(fold(old, seen("b"), existing=False)) == ["b"]


def test_a_file_without_a_time_that_is_there_at_the_first_look_is_of_before() -> None:
    assert not urls(fold(seen(modified=None), existing=False))


def test_a_file_that_is_being_written_at_the_first_look_does_not_count_yet() -> None:
    assert not urls(fold(seen(settled=False), existing=False))


def test_an_old_file_that_is_moved_in_later_counts() -> None:
    begun = fold(existing=False)
    old = seen(modified=MORNING - timedelta(hours=1))
    assert urls(fold(old, known=begun.known, existing=False)) == ["a"]


def test_an_old_file_that_changes_counts() -> None:
    old = seen(modified=MORNING - timedelta(hours=1), settled=False)
    begun = fold(old, existing=False)
    assert urls(fold(seen(identity="2"), known=begun.known, existing=False)) == ["a"]


def test_many_old_files_are_noted_in_several_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_arrivals, "MAX_NOTED", 2)
    old = [seen(name, modified=MORNING - timedelta(hours=1)) for name in "abc"]
    first = fold(*old, existing=False)
    assert (first.is_done, first.known.has_begun) == (False, False)
    second = fold(*old, known=first.known, existing=False)
    assert not urls(second)
    assert second.known.has_begun


def test_the_rows_restore_what_is_known() -> None:
    done = fold(seen("a"), seen("b", modified=MORNING - timedelta(hours=1)), existing=False)
    rows = {key: value for key, value in done.rows.items() if value is not None}
    assert restore_known_files({**rows, b"schedule/a/b": b"{}"}) == {IN: done.known}
    assert set(keys_of(IN, done.known)) == set(rows)


class Folder:
    """A folder, and a scheduler that looks at it, commits or crashes."""

    def __init__(self) -> None:
        self.files: dict[str, SeenFile] = {}
        self.away: dict[str, SeenFile] = {}
        self.written = 0
        self.now = NOON
        self.before: dict[str, str] = {}
        self.rows: dict[bytes, bytes] = {}
        self.counted: Counter[tuple[str, str]] = Counter()

    def write(self, url: str) -> None:
        self.written += 1
        time = self.now - timedelta(seconds=self.written % 3)
        self.files[url] = seen(url, str(self.written), modified=time)

    def move_away(self, url: str) -> None:
        if url in self.files:
            self.away[url] = self.files.pop(url)

    def move_back(self, url: str) -> None:
        if url in self.away and url not in self.files:
            self.files[url] = self.away.pop(url)

    def look(self, room: int, *, commits: bool, backwards: bool = False) -> None:
        self.now += timedelta(seconds=30)
        listed = [self.files[url] for url in sorted(self.files, reverse=backwards)]
        look = FolderLook(self.now, with_settled(listed, self.before, are_whole=False))
        self.before = {file.url: file.identity for file in listed}
        while True:
            known = restore_known_files(self.rows).get(IN, NOTHING_KNOWN)
            done = fold_look(IN, known, look, room, MORNING, existing=True)
            if not commits:
                self.before = {}
                return
            for arrival in done.arrivals:
                self.counted[arrival.cause, known_identity(done, arrival.cause)] += 1
            for key, value in done.rows.items():
                if value is None:
                    self.rows.pop(key, None)
                else:
                    self.rows[key] = value
            if done.is_done or not room:
                return


def known_identity(done: FileArrivals, url: str) -> str:
    return done.known.files[url].identity


names = st.sampled_from("abcd")
steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["write", "move_away", "move_back"]), names),
        st.tuples(st.just("look"), st.integers(0, 3), st.booleans(), st.booleans()),
    ),
    max_size=50,
)


@settings(max_examples=300)
@given(steps)
def test_each_content_counts_once_in_whatever_order_and_whatever_crashes(
    happens: list[tuple[str, str] | tuple[str, int, bool, bool]],
) -> None:
    folder = Folder()
    for step in happens:
        if len(step) == 2:
            getattr(folder, step[0])(step[1])
        else:
            folder.look(step[1], commits=step[2], backwards=step[3])
    folder.look(2, commits=True)
    folder.look(2, commits=True)
    there = {(file.url, file.identity) for file in folder.files.values()}
    assert there <= set(folder.counted)
    assert set(folder.counted.values()) <= {1}
