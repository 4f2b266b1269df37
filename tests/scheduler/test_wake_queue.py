"""Is what is due first looked at first, and nothing else?"""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from farandole.scheduler.wake_queue import WakeQueue
from tests.scheduler.driven import START

KEYS = st.sampled_from([b"a", b"b", b"c"])
TIMES = st.integers(0, 20).map(lambda seconds: START + timedelta(seconds=seconds))


@given(st.lists(st.tuples(KEYS, st.one_of(st.none(), TIMES), st.booleans()), max_size=300))
def test_the_queue_gives_each_key_at_the_time_that_was_set_last(
    steps: list[tuple[bytes, datetime | None, bool]],
) -> None:
    queue, model = WakeQueue(), dict[bytes, datetime]()
    for key, time, hastens in steps:
        if hastens and time is not None:
            queue.hasten(key, time)
            model[key] = min(time, model.get(key, time))
        else:
            queue.set(key, time)
            model.pop(key, None)
            if time is not None:
                model[key] = time
    assert len(queue) == len(model)
    taken = []
    while (first := queue.next) is not None:
        assert queue.take(first - timedelta(seconds=1)) is None
        found = queue.take(first)
        assert found is not None
        taken.append((first, found))
    assert sorted(taken) == sorted((time, key) for key, time in model.items())
    assert [time for time, _ in taken] == sorted(model.values())


def test_the_queue_does_not_grow_with_times_that_count_no_more() -> None:
    queue = WakeQueue()
    for seconds in range(10_000):
        queue.set(b"a", START + timedelta(seconds=seconds))
    assert len(queue._heap) < 300


@given(st.lists(st.tuples(KEYS, st.one_of(st.none(), TIMES)), max_size=50), TIMES)
def test_the_queue_tells_what_is_due_by_a_time(
    steps: list[tuple[bytes, datetime | None]], time: datetime
) -> None:
    queue = WakeQueue()
    for key, due in steps:
        queue.set(key, due)
    told = {*queue.due_by(time)}
    assert told == {*iter(lambda: queue.take(time), None)}
