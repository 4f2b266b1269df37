"""Is what a lane keeps written once, in its next transaction, also while no event comes?"""

from __future__ import annotations

import asyncio

import pytest

from farandole.events.record import OutgoingRecord, Partition
from farandole.lanes.lane_work import BatchResult
from farandole.worker.lane_state import LaneState
from farandole.worker.limits import MAX_STATE_ROW_BYTES
from farandole.worker.transaction_buffer import TransactionBuffer
from tests.worker.made import In, Lane, Out, bare

PLACE = Partition("p.stage.state", 3)


def written(state: LaneState) -> list[OutgoingRecord]:
    buffer = TransactionBuffer("stage", 0.0)
    state.flush(buffer)
    found = buffer.close()
    assert found.keys() <= {PLACE}
    return list(found.get(PLACE, ()))


def test_the_newest_value_of_a_key_is_written_once() -> None:
    state = LaneState(PLACE)
    state.restore({b"a/1": b"x", b"a/2": b"y", b"b": b"z"})
    state.put(b"a/1", b"new")
    state.put(b"a/1", b"newer")
    state.put(b"a/2", None)
    state.put(b"b", b"z")  # it has this value already
    state.put(b"missing", None)
    assert written(state) == [OutgoingRecord(b"a/1", b"newer"), OutgoingRecord(b"a/2", None)]
    assert written(state) == []
    assert (state.get(b"a/1"), state.get(b"a/2"), state.rows_with(b"a/")) == (
        b"newer",
        None,
        {b"a/1": b"newer"},
    )


def test_what_was_not_committed_is_forgotten() -> None:
    state = LaneState(PLACE)
    state.put(b"a", b"1")
    state.restore({b"b": b"2"})
    assert (state.rows_with(b""), state.has_unwritten, written(state)) == ({b"b": b"2"}, False, [])


def test_without_a_topic_rows_are_kept_in_memory_alone() -> None:
    state = LaneState(None)
    state.put(b"a", b"1")
    assert (state.get(b"a"), state.is_kept, state.has_unwritten) == (b"1", False, False)
    assert written(state) == []


def test_a_row_that_is_too_large_is_refused() -> None:
    state = LaneState(PLACE)
    with pytest.raises(ValueError, match="524288 bytes at most, and b'key' has 524289"):
        state.put(b"key", bytes(MAX_STATE_ROW_BYTES - 2))
    assert not state.has_unwritten


@pytest.mark.parametrize("by", ["an event", "on_idle", "on_hold", "close"])
def test_a_lane_writes_its_state_at_its_next_transaction(by: str) -> None:
    def work(event: In) -> Out:
        return Out(n=event.n)

    lane = Lane(work, lane=3, state=PLACE.topic)
    lane.work.open({PLACE.topic: {b"old": b"1"}})
    assert (lane.work.on_idle(), lane.work.on_hold()) == (None, None)
    lane.work.state.put(b"new", lane.work.state.get(b"old"))

    async def next_transaction() -> BatchResult | None:
        if by == "an event":
            return await lane.work.handle([bare(partition=3)])
        if by == "close":
            return await lane.work.close()
        return lane.work.on_idle() if by == "on_idle" else lane.work.on_hold()

    done = asyncio.run(next_transaction())
    assert done is not None
    assert done.writes[PLACE] == [OutgoingRecord(b"new", b"1")]
    assert (lane.work.on_idle(), asyncio.run(lane.work.close())) == (None, None)
