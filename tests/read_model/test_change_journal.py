"""Whoever takes snapshots and deltas must know the same as whoever reads every row."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from farandole.operations.read_model.change_journal import ChangeJournal
from farandole.operations.read_model.revision import Place, Revision, source_name

SOURCES = [source_name("runs", "", index) for index in range(3)]

Log = Sequence[Sequence[tuple[str, int | None]]]
"""By source, its records in order: a key and a value, None for a tombstone."""


class Replica:
    """A view that reads the records of some partitions."""

    def __init__(self, log: Log, most: int) -> None:
        self.log = log
        self.rows: dict[str, int] = {}
        self.read = [0] * len(log)
        self.journal = ChangeJournal(most)

    @property
    def revision(self) -> Revision:
        return Revision(dict(zip(SOURCES, self.read, strict=True)))

    def step(self, source: int) -> None:
        if self.read[source] == len(self.log[source]):
            return
        key, value = self.log[source][self.read[source]]
        if value is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = value
        self.journal.note(key, Place(SOURCES[source], self.read[source]))
        self.read[source] += 1


class Client:
    """Keeps what it is sent, and nothing else."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.revision: Revision | None = None

    def resume(self, replica: Replica) -> None:
        keys = None
        if self.revision is not None:
            keys = replica.journal.since_revision(self.revision)
        self.take(replica, keys)

    def take(self, replica: Replica, keys: list[str] | None) -> None:
        if keys is None:
            self.rows, self.revision = dict(replica.rows), replica.revision
            return
        for key in keys:
            if key in replica.rows:
                self.rows[key] = replica.rows[key]
            else:
                self.rows.pop(key, None)
        assert self.revision is not None
        self.revision = self.revision.joined(replica.revision)


@st.composite
def logs(draw: st.DrawFn) -> Log:
    def records(source: int) -> st.SearchStrategy[list[tuple[str, int | None]]]:
        key = st.sampled_from([f"{source}-{name}" for name in "abcd"])
        return st.lists(st.tuples(key, st.none() | st.integers(0, 9)), max_size=12)

    return [draw(records(source)) for source in range(len(SOURCES))]


Steps = st.lists(st.tuples(st.integers(0, 1), st.integers(0, len(SOURCES))), max_size=60)


@given(logs(), Steps, st.integers(1, 6))
def test_a_client_that_changes_replicas_ends_with_what_stands_in_the_log(
    log: Log, steps: Sequence[tuple[int, int]], most: int
) -> None:
    replicas = [Replica(log, most), Replica(log, 100)]
    client = Client()
    for replica, step in steps:
        if step < len(SOURCES):
            replicas[replica].step(step)
        else:
            client.resume(replicas[replica])
    for source, records in enumerate(log):
        for _ in records:
            replicas[0].step(source)
    client.resume(replicas[0])
    assert client.rows == replicas[0].rows


@given(logs(), Steps, st.integers(1, 6))
def test_deltas_by_ticks_lead_to_the_same_rows(
    log: Log, steps: Sequence[tuple[int, int]], most: int
) -> None:
    replica, client = Replica(log, most), Client()
    tick = 0
    client.resume(replica)
    for _, step in steps:
        if step < len(SOURCES):
            replica.step(step)
        else:
            client.take(replica, replica.journal.since_tick(tick))
            tick = replica.journal.tick
            assert client.rows == replica.rows


def test_a_key_that_changes_often_is_named_once() -> None:
    journal = ChangeJournal()
    for _ in range(3):
        journal.note("a")
    journal.note("b")
    assert journal.since_tick(0) == ["a", "b"]


def test_a_journal_that_does_not_go_back_so_far_says_so() -> None:
    journal = ChangeJournal(most=2)
    for offset, key in enumerate("abc"):
        journal.note(key, Place(SOURCES[0], offset))
    assert journal.since_tick(0) is None
    assert journal.since_revision(Revision()) is None
    assert journal.since_revision(Revision({SOURCES[0]: 1})) == ["b", "c"]


def test_nothing_before_the_beginning_of_a_journal_is_taken_for_known() -> None:
    journal = ChangeJournal()
    journal.begin(Place(SOURCES[0], 100))
    assert journal.since_revision(Revision({SOURCES[0]: 99})) is None
    assert journal.since_revision(Revision({SOURCES[0]: 100})) == []


@given(st.dictionaries(st.sampled_from(SOURCES), st.integers(0, 2**60)))
def test_a_revision_is_what_its_text_says(offsets: dict[str, int]) -> None:
    assert Revision.parse(str(Revision(offsets))) == Revision(offsets)


@given(st.text(max_size=40))
def test_any_text_is_a_revision_or_none(text: str) -> None:
    found = Revision.parse(text)
    assert found is None or isinstance(str(found), str)


def test_a_topic_that_was_created_again_is_another_source() -> None:
    assert source_name("runs", "id-1", 0) != source_name("runs", "id-2", 0)
