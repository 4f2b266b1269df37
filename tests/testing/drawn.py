"""Which small pipelines, events and failures can hypothesis draw?

A scenario is some chains of stages in one topology file, and events with the failures that they
meet. How often a stage fails stands in the event, so that every world meets the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

CODE = '''
    from collections import Counter
    from collections.abc import Iterator
    from pydantic import BaseModel
    from farandole import Context, Reject

    TRIED = Counter()  # how often each stage was called with each event

    class Event(BaseModel):
        id: str
        key: str
        n: int
        fails: dict[str, int] = {}

    def meet(event: Event, context: Context) -> Event:
        """Fail as often as the event says; -1: for good."""
        name = context.stage.rpartition("_")[2]
        TRIED[context.stage, event.id] += 1
        fails = event.fails.get(name, 0)
        if fails < 0:
            raise Reject(f"{event.id} is rejected")
        if TRIED[context.stage, event.id] <= fails:
            raise ConnectionError(f"{event.id} meets nobody")
        return event

    def passes(event: Event, context: Context) -> Event:
        return meet(event, context)

    async def awaits(event: Event, context: Context) -> Event:
        return meet(event, context)

    def drops(event: Event, context: Context) -> Event | None:
        return meet(event, context) if event.n % 2 else None

    def fans(event: Event, context: Context) -> Iterator[Event]:
        for copy in range(event.n % 4):
            yield event.model_copy(update={"id": f"{event.id}.{copy}"})
        meet(event, context)

    def lists(events: list[Event], context: Context) -> list[Event]:
        return [event.model_copy(update={"id": f"{event.id}!"}) for event in events]

    def ends(event: Event, context: Context) -> None:
        meet(event, context)
'''
KINDS = ("passes", "awaits", "drops", "fans", "lists", "filtered", "threaded", "ends")
_PIPELINE = "drawn"


@dataclass(frozen=True, slots=True)
class Chain:
    """Stages in a row, the events that open runs, and how wide the topics are."""

    kinds: tuple[str, ...]
    partitions: int
    is_keyed: bool
    events: tuple[tuple[int, int, dict[str, int]], ...]
    """Number, key, and by index of the stage how often it fails."""


_FAILURES = st.dictionaries(st.sampled_from("012"), st.sampled_from([1, 2, -1, 3]), max_size=2)
CHAINS = st.builds(
    Chain,
    st.lists(st.sampled_from(KINDS), min_size=1, max_size=3).map(
        # What ends a chain stands at its end.
        lambda kinds: (*tuple(kind for kind in kinds[:-1] if kind != "ends"), kinds[-1])
    ),
    st.integers(1, 3),
    st.booleans(),
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 2), _FAILURES), min_size=1, max_size=5
    ).map(tuple),
)


def topology(chains: list[Chain]) -> str:
    """Return one file with these chains; stage `c0_1` is the second of the first chain."""
    events, stages = [], []
    for number, chain in enumerate(chains):
        key = ", key: key" if chain.is_keyed else ""
        emitted = len(chain.kinds) - (chain.kinds[-1] == "ends")
        events += [
            f"  c{number}.e{step}: {{partitions: {chain.partitions}{key}}}"
            for step in range(emitted + 1)
        ]
        for step, kind in enumerate(chain.kinds):
            subscribed = f"c{number}.e{step}"
            function, more = kind, ""
            if kind == "filtered":
                function, subscribed = "passes", f'{{{subscribed}: {{when: "data.n > 2"}}}}'
            elif kind == "threaded":
                function, more = "passes", ", threads: 2"
            emits = "" if kind == "ends" else f", emits: c{number}.e{step + 1}"
            stages.append(
                f'  c{number}_{step}: {{run: "MODULE:{function}", subscribes: {subscribed}'
                f"{emits}{more}, retry: {{attempts: 3, backoff: 50ms, in_place: 10ms}}}}"
            )
    return "\n".join([f"pipeline: {_PIPELINE}", "events:", *events, "stages:", *stages, ""])


def roots(chains: list[Chain]) -> list[tuple[str, dict[str, Any]]]:
    """Return the type and the data of each event that opens a run. No more than two events of a
    chain fail to the end: after more of one key, how often the next one is tried hangs on time."""
    found = []
    for number, chain in enumerate(chains):
        hopeless = 0
        for index, (n, key, drawn) in enumerate(chain.events):
            fails = dict(drawn)
            for step, times in drawn.items():
                hopeless += times == 3
                fails[step] = 2 if times == 3 and hopeless > 2 else times
            data = {"id": f"{number}-{index}", "key": f"k{key}", "n": n, "fails": fails}
            found.append((f"c{number}.e0", data))
    return found
