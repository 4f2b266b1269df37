"""Which outputs in a raw topic does a lane keep, and from where does it read again?"""

from __future__ import annotations

import pytest

from farandole.events.envelope import UnreadableEventError
from farandole.events.raw_output import CAUSE_HEADER, output_place
from farandole.events.record import Partition, UndecodableRecord
from farandole.lanes.raw_outputs import RawOutputs
from tests.events.made import Made

RAW, INPUT, SECOND = Partition("s.raw", 1), Partition("in", 1), Partition("in2", 1)
ROOM = 3 * 1000


def outputs(room: int = ROOM) -> RawOutputs:
    made = RawOutputs(RAW, room)
    made.restart({INPUT: 0, SECOND: 0, RAW: 0})
    return made


def record(offset: int, place: str, size: int = 600) -> Made:
    headers = [(CAUSE_HEADER, place.encode())]
    return Made(b"x" * size, headers, topic=RAW.topic, partition=1, offset=offset)


def kept(made: RawOutputs, *offsets: int, of: Partition = INPUT) -> list[list[int] | None]:
    """Return, by event, the numbers of its outputs; None if they are too large."""
    found = [made.outputs_of(of, offset) for offset in offsets]
    return [None if each is None else [*each] for each in found]


def test_the_first_copy_of_each_output_is_kept() -> None:
    made = outputs()
    for offset, place in enumerate(["in/1/4/1", "in/1/4/0", "in/1/4/1"]):
        made.add(record(offset, place))
    found = made.outputs_of(INPUT, 4)
    assert found is not None
    assert [(number, each.offset) for number, each in found.items()] == [(0, 1), (1, 0)]


def test_outputs_of_settled_events_are_dropped() -> None:
    made = outputs()
    made.add(record(0, "in/1/4/0"))
    made.settle({INPUT: 5, SECOND: 0})
    made.add(record(1, "in/1/4/0"))
    assert kept(made, 4) == [[]]
    assert made.first_needed({INPUT: 5, SECOND: 0}, 2) == 2


def test_what_is_needed_is_read_again_after_a_restart() -> None:
    made = outputs()
    for offset, place in enumerate(["in/1/0/0", "in/1/5/0", "in2/1/3/0", "in/1/1/0"]):
        made.add(record(offset, place, size=1))
    assert made.first_needed({INPUT: 2, SECOND: 0}, 4) == 1
    assert made.first_needed({INPUT: 6, SECOND: 0}, 4) == 2
    assert made.first_needed({INPUT: 6, SECOND: 4}, 4) == 4


def test_beyond_the_room_the_latest_events_are_read_again_later() -> None:
    made = outputs()
    for offset in range(6):
        made.add(record(offset, f"in/1/{offset}/0"))
    complete = [made.is_complete(INPUT, offset) for offset in range(6)]
    assert complete == [True] * complete.index(False) + [False] * (6 - complete.index(False))
    first = complete.index(False)
    assert 0 < first < 6
    assert made.take_reread({INPUT: first - 1, SECOND: 0}) is None
    assert made.first_needed({INPUT: first, SECOND: 0}, 6) == first
    assert made.take_reread({INPUT: first, SECOND: 0}) == first
    assert made.is_complete(INPUT, 5)


def test_an_event_with_more_outputs_than_there_is_room_for_is_named() -> None:
    made = outputs()
    for offset in range(5):
        made.add(record(offset, f"in/1/7/{offset}"))
    made.add(record(5, "in/1/8/0"))
    assert kept(made, 7, 8) == [None, [0]]
    assert made.is_complete(INPUT, 8)


def test_a_stray_is_handed_over_once_everything_before_it_is_settled() -> None:
    made = outputs()
    made.add(record(0, "in/1/4/0"))
    made.add(record(1, "in/0/4/0"))
    assert [*made.take_strays()] == []
    assert made.first_needed({INPUT: 5, SECOND: 0}, 2) == 1
    made.settle({INPUT: 5, SECOND: 0})
    assert [each.offset for each in made.take_strays()] == [1]
    assert made.first_needed({INPUT: 5, SECOND: 0}, 2) == 2


def test_an_output_of_an_event_that_nobody_has_written_is_a_stray() -> None:
    made = outputs()
    made.add(record(0, "in/1/4/0"))
    made.judge({INPUT: 4, SECOND: 0, RAW: 1})
    assert [each.offset for each in made.take_strays()] == [0]


@pytest.mark.parametrize(
    "hostile",
    [
        Made(b"{}", []),
        Made(None, [(CAUSE_HEADER, b"in/1/4/0")]),
        Made(b"{}", [(CAUSE_HEADER, b"\xff")]),
        Made(b"{}", [(CAUSE_HEADER, None)]),  # type: ignore[list-item]
        *(
            Made(b"{}", [(CAUSE_HEADER, place)])
            for place in (b"", b"in/1/4", b"in/1/-4/0", b"in/1/4/0/0", b"in/1/4/0\n", b"a/b/1/4/0",
                          b"in/1/%d/0" % 10**30, "in/1/٤/0".encode())
        ),
        UndecodableRecord("s.raw", 1, 0),
    ],
)  # fmt: skip
def test_a_record_without_a_usable_cause_is_a_stray(hostile: Made) -> None:
    with pytest.raises(UnreadableEventError):
        output_place(hostile)
