"""Which function handles an event under a canary, and what is observed of it?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from farandole.events.canary_counts import CanaryCounts
from farandole.events.controls_in_force import ON, StageMode
from farandole.events.key_share import share_test
from farandole.events.outcome import Outcome
from farandole.events.record import Partition, Record
from farandole.events.retry_record import PARKED_PREFIX, ParkedEvent, parse_retry_row
from farandole.events.topology_version import BreakerPolicy, RetryPolicy, StageSpec
from farandole.stages.contract import Reject
from farandole.worker.candidates.observed_keys import CHUNK_KEYS, MAX_CHUNKS, ObservedKeys
from farandole.worker.candidates.stage_candidates import StageCandidates
from farandole.worker.lane_state import LaneState
from tests.worker.made import (
    ONCE,
    PATIENT,
    RETRY,
    In,
    Lane,
    LaneResult,
    Other,
    Out,
    bare,
    emitted,
    version,
)
from tests.worker.made_candidate import RUN, MadeCandidates, MadeControls, canary

STATE = "p.stage.state"
PARKS = RetryPolicy(attempts=3, backoff=60, jitter=0, in_place=0)


def price(event: In) -> Out:
    return Out(n=event.n, household=0)


def other(event: In) -> Out:
    return Out(n=event.n, household=1)


def chosen(keys: Iterable[bytes], share: float = 0.5) -> list[bytes]:
    return [*filter(share_test(share, "stage"), keys)]


KEYS = [b"k%d" % n for n in range(40)]
CHOSEN = chosen(KEYS)
OURS = next(key for key in KEYS if key not in CHOSEN)


class Canaried:
    """A lane under a canary, with what it has observed."""

    def __init__(
        self,
        stable: Callable[..., Any] = price,
        candidate: Callable[..., Any] = other,
        mode: StageMode | None = None,
        **how: Any,
    ) -> None:
        self.controls = MadeControls(mode or canary())
        retry = how.setdefault("retry", ONCE)
        how.setdefault("monotonic", lambda: 0.0)
        self.candidates = MadeCandidates(candidate, emits=how.get("emits", ("out",)), retry=retry)
        self.clock = 1_000.0
        self.lane = Lane(
            stable,
            controls=self.controls.of_stage,
            candidates=cast(StageCandidates, self.candidates),
            clock=lambda: self.clock,
            state=STATE,
            ledger=4,
            **how,
        )
        self.lane.work.open({RETRY: {}, STATE: {}})
        self.observed: list[CanaryCounts] = []

    async def handle(self, *records: Record) -> LaneResult:
        done = await self.lane.handle(*records)
        self.note(done)
        return done

    async def handle_due(self) -> LaneResult:
        """Handle the parked events that are due an hour later."""
        self.clock += 3_600
        deferred = self.lane.work.deferred
        assert deferred is not None
        result = LaneResult()
        result.add(await self.lane.work.handle(deferred.due()))
        self.note(result)
        return result

    def note(self, done: LaneResult) -> None:
        entries = [json.loads(each.value or b"") for each in done.of("ledger")]
        self.observed += [entry["canary"] for entry in entries if "canary" in entry]

    def totals(self) -> tuple[int, int, int, int]:
        """Return the observations and failures of the candidate, and those of the stable one."""
        return cast(
            tuple[int, int, int, int],
            tuple(
                sum(each[variant][name] for each in self.observed)
                for variant in ("candidate", "stable")
                for name in ("n", "failed")
            ),
        )


def keyed(keys: Iterable[bytes] = KEYS) -> list[Record]:
    return [bare(offset=n, key=key) for n, key in enumerate(keys)]


def by_candidate(done: LaneResult, topic: str = "p.out") -> list[bytes]:
    """Return the keys of the events whose results the candidate has made, in their order."""
    made = [(json.loads(each.value or b""), each.key or b"") for each in done.of(topic)]
    by_number = sorted(made, key=lambda each: int(each[0]["n"]))
    return [key for data, key in by_number if data["household"]]


async def test_the_keys_of_the_share_go_to_the_candidate() -> None:
    world = Canaried()
    done = await world.handle(*keyed())
    assert by_candidate(done) == CHOSEN
    assert len(done.of("p.out")) == len(KEYS)
    assert world.totals() == (len(CHOSEN), 0, len(KEYS) - len(CHOSEN), 0)


async def test_results_of_the_candidate_are_written_like_any_others() -> None:
    plain = Lane(price, clock=lambda: 1_000.0)
    events = [emitted(n, key=key) for n, key in enumerate(KEYS)]
    before = await plain.handle(*events)
    after = await Canaried(candidate=price).handle(*events)

    def told(done: LaneResult) -> list[Any]:
        return [
            (place, sorted(done.writes[place]))
            for place in sorted(done.writes)
            if place.topic == "p.out"
        ]

    assert told(after) == told(before)


async def test_a_result_with_a_key_of_its_own_goes_to_the_partition_of_that_key() -> None:
    plain = await Lane(other, emits=("keyed",)).handle(*keyed())
    done = await Canaried(emits=("keyed",), mode=canary(1.0)).handle(*keyed())
    assert {
        place: len(rows) for place, rows in done.writes.items() if place.topic == "p.keyed"
    } == {place: len(rows) for place, rows in plain.writes.items() if place.topic == "p.keyed"}
    assert {each.key for each in done.of("p.keyed")} == {b"1"}


async def test_the_stable_function_has_everything_after_the_end() -> None:
    world = Canaried()
    await world.handle(*keyed())
    world.controls.now = ON
    done = await world.handle(*[bare(offset=100 + n, key=key) for n, key in enumerate(KEYS)])
    assert by_candidate(done) == []
    assert len(world.observed) == 1
    assert not world.lane.work.state.rows_with(b"canary/")


async def test_an_event_that_fails_stays_with_its_variant_until_it_is_a_dead_letter() -> None:
    def failing(event: In) -> Out:
        raise TimeoutError("the shop does not answer")

    world = Canaried(candidate=failing, retry=PARKS)
    key = CHOSEN[0]
    done = await world.handle(bare(offset=0, key=key), bare(offset=1, key=OURS))
    assert [row.variant for row in parked(done)] == [RUN]
    world.controls.now = canary(0.001, generation=9)  # its key is in the share no more
    assert [row.variant for row in parked(await world.handle_due())] == [RUN]
    (letter,) = (await world.handle_due()).dead
    assert (letter["variant"], letter["error"], letter["message"]) == (
        RUN, "TimeoutError", "the shop does not answer",
    )  # fmt: skip
    assert "raise TimeoutError" in letter["traceback"]
    assert letter["place"].startswith("tests/worker/test_canary.py:")
    assert world.totals() == (1, 1, 1, 0)


def parked(done: LaneResult) -> list[ParkedEvent]:
    return [
        parse_retry_row(row.value)
        for row in done.of(RETRY)
        if row.value is not None and (row.key or b"").startswith(PARKED_PREFIX)
    ]


async def test_an_event_that_the_stable_function_failed_stays_with_it() -> None:
    failing = True

    def sometimes(event: In) -> Out:
        if failing:
            raise TimeoutError
        return price(event)

    world = Canaried(sometimes, mode=ON, retry=PARKS)
    done = await world.handle(bare(offset=0, key=CHOSEN[0]))
    assert [row.variant for row in parked(done)] == [""]
    world.controls.now, failing = canary(1.0), False
    assert by_candidate(await world.handle_due()) == []
    assert world.totals() == (0, 0, 0, 0)  # it was no first attempt


@pytest.mark.parametrize("end", [ON, canary(1.0, 9, run="stages.third:price")], ids=["on", "other"])
async def test_parked_events_of_a_candidate_go_to_the_stable_function_after_its_end(
    end: StageMode,
) -> None:
    def failing(event: In) -> Out:
        raise TimeoutError

    world = Canaried(candidate=failing, retry=PARKS, mode=canary(1.0))
    await world.handle(bare(offset=0, key=b"a"))
    world.controls.now = end
    done = await world.handle_due()
    assert by_candidate(done) == []
    assert len(done.of("p.out")) == 1


async def test_the_events_of_a_lost_candidate_go_to_the_stable_function() -> None:
    world = Canaried()
    await world.handle(*keyed())
    world.candidates.lost_in = 0
    done = await world.handle(*[bare(offset=50 + n, key=key) for n, key in enumerate(KEYS)])
    assert by_candidate(done) == []
    assert sorted(each.key or b"" for each in done.of("p.out")) == sorted(KEYS)
    # What the stable function did for it is no observation of either.
    assert world.totals()[0] == len(CHOSEN)


async def test_the_candidate_is_called_at_once_with_the_first_event_of_each_key() -> None:
    world = Canaried(mode=canary(1.0))
    keys = [b"a", b"b", b"a", b"c", None, None, b"a"]
    await world.handle(*[bare(offset=n, key=key) for n, key in enumerate(keys)])
    called = [event.offset for call in world.candidates.calls for event in call.events]
    assert (called, world.candidates.requests) == ([0, 1, 3, 4, 2, 5, 6], 3)


async def test_it_is_called_with_fewer_events_where_its_results_are_large() -> None:
    def large(event: In) -> Other:
        return Other(said="x" * 2**19)

    world = Canaried(candidate=large, emits=("other",), mode=canary(1.0))
    await world.handle(*keyed())
    assert world.candidates.requests > len(KEYS) // 4
    small = Canaried(mode=canary(1.0))
    await small.handle(*keyed())
    assert small.candidates.requests < len(KEYS) // 8


async def test_it_is_called_with_fewer_events_where_it_is_slow() -> None:
    def slow(event: In) -> Out:
        world.clock += 0.1
        return other(event)

    world: Canaried = Canaried(
        candidate=slow, mode=canary(1.0), monotonic=lambda: world.clock, retry=ONCE
    )
    await world.handle(*keyed())
    assert world.candidates.requests > len(KEYS) // 4


async def test_an_open_breaker_lets_one_event_through() -> None:
    def failing(event: In) -> Out:
        raise TimeoutError

    breaker = BreakerPolicy(failures=3, probe=30)
    world: Canaried = Canaried(
        candidate=failing,
        retry=PARKS,
        mode=canary(1.0),
        breaker=breaker,
        monotonic=lambda: world.clock,
    )
    first = await world.lane.work.handle(keyed())
    called = len(world.candidates.calls)
    world.clock += 31  # a probe is due
    await world.lane.work.handle(keyed()[first.settled :])
    assert len(world.candidates.calls) == called + 1


async def test_nothing_is_called_ahead_that_may_not_be_handled() -> None:
    def failing(event: In) -> Out:
        if event.n == 0:
            raise TimeoutError
        return other(event)

    world = Canaried(candidate=failing, retry=PARKS, mode=canary(1.0), when={"in": "data.n != 3"})
    world.controls.cancelled = {b"c" * 13}
    await world.handle(
        emitted(0, key=b"a"),  # is parked
        emitted(1, key=b"a"),  # waits behind it
        emitted(2, key=b"b", run="c" * 13),
        emitted(3, key=b"c"),
        bare(b"{", 4, key=b"d"),
        emitted(5, key=b"e"),
    )
    called = [event.offset for call in world.candidates.calls for event in call.events]
    assert called == [0, 5]


async def test_an_answer_is_used_once_also_in_the_next_transaction() -> None:
    ticks = iter(range(10**6))
    world = Canaried(mode=canary(1.0), monotonic=lambda: next(ticks) / 10)
    done = await world.handle(*keyed())
    assert len(done.transactions) > 1
    assert by_candidate(done) == KEYS
    called = [event.offset for call in world.candidates.calls for event in call.events]
    assert called == [*range(len(KEYS))]


async def test_one_observation_counts_of_a_key_in_a_run() -> None:
    world = Canaried(mode=canary(1.0))
    same = [emitted(n, key=b"a") for n in range(5)]
    await world.handle(*same, emitted(5, key=b"b"), emitted(6, key=b"a", run="b" * 13))
    assert world.totals() == (3, 0, 0, 0)


async def test_a_successor_counts_no_key_of_a_run_again() -> None:
    first = Canaried(mode=canary(0.5))
    done = await first.handle(*[emitted(n, key=key) for n, key in enumerate(KEYS)])
    second = Canaried(mode=canary(0.5))
    rows = {row.key: row.value for row in done.of(STATE)}
    second.lane.work.open({RETRY: {}, STATE: rows})  # type: ignore[dict-item]
    await second.handle(*[emitted(50 + n, key=key) for n, key in enumerate([*KEYS, b"new"])])
    assert sum(second.totals()[::2]) == 1
    # Under the next switch all of them count again, and the rows of this one go.
    second.controls.now = canary(0.5, generation=9)
    await second.handle(*[emitted(99 + n, key=key) for n, key in enumerate(KEYS)])
    assert sum(second.totals()[::2]) == 1 + len(KEYS)
    assert {*second.lane.work.state.rows_with(b"canary/")} == {b"canary/9/0"}


async def test_retries_in_place_are_no_observations() -> None:
    tried: set[int] = set()

    def second_time(event: In) -> Out:
        if event.n not in tried:
            tried.add(event.n)
            raise TimeoutError
        return other(event)

    world = Canaried(candidate=second_time, retry=PATIENT, mode=canary(1.0))
    done = await world.handle(*keyed(KEYS[:10]))
    assert len(by_candidate(done)) == 10
    assert world.totals() == (10, 10, 0, 0)


async def test_failures_of_both_are_observed() -> None:
    def odd(event: In) -> Out:
        if event.n % 2:
            raise Reject("odd")
        return other(event)

    world = Canaried(odd, odd)
    done = await world.handle(*keyed())
    assert done.count(Outcome.DEAD) == 20
    assert {letter["variant"] for letter in done.dead} == {RUN, "stable"}
    n, failed, stable, stable_failed = world.totals()
    assert (n, n + stable, failed + stable_failed) == (len(CHOSEN), 40, 20)
    assert failed == sum(KEYS.index(key) % 2 for key in CHOSEN)


async def test_times_are_observed_of_calls_that_succeed() -> None:
    ticks = iter(range(10**6))
    world = Canaried(monotonic=lambda: next(ticks) / 100)
    await world.handle(*keyed())
    (counts,) = world.observed[:1]
    assert sum(counts["stable"]["times"].values()) == counts["stable"]["n"]
    assert min(map(int, counts["stable"]["times"])) > 0


async def test_a_list_is_split_into_two_calls() -> None:
    def prices(events: list[In]) -> list[Out]:
        return [price(event) for event in events]

    def others(events: list[In]) -> list[Out]:
        return [other(event) for event in events]

    world = Canaried(prices, others, emits=("keyed",))
    done = await world.handle(*[emitted(n, key=key) for n, key in enumerate(KEYS)])
    (call,) = world.candidates.calls
    assert [event.key for event in call.events] == CHOSEN
    assert len(done.of("p.keyed")) == len(KEYS)
    ids = [h for each in done.of("p.keyed") for h in [each.headers] if h]
    assert len({*ids}) == len(KEYS)
    assert world.totals() == (len(CHOSEN), 0, len(KEYS) - len(CHOSEN), 0)
    assert world.observed[0]["candidate"]["times"] == {}


async def test_only_the_event_that_fails_alone_fails_in_a_list() -> None:
    def prices(events: list[In]) -> list[Out]:
        if any(event.n == 7 for event in events):
            raise Reject("seven")
        return [other(event) for event in events]

    world = Canaried(prices, prices, emits=("keyed",), mode=canary(1.0))
    done = await world.handle(*[emitted(n, key=key) for n, key in enumerate(KEYS)])
    assert done.count(Outcome.DEAD) == 1
    assert world.totals() == (40, 1, 0, 0)


async def test_an_event_without_a_key_is_chosen_by_its_id() -> None:
    ids = [b"asked/0/1/%d" % n for n in range(40)]
    done = await Canaried().handle(*[emitted(n) for n in range(40)])
    made = [json.loads(each.value or b"") for each in done.of("p.out")]
    assert {each["n"] for each in made if each["household"]} == {
        ids.index(id_) for id_ in chosen(ids)
    }


async def test_a_candidate_may_drop_what_the_stable_function_keeps() -> None:
    def nothing(event: In) -> Out | None:
        return None

    done = await Canaried(price, nothing).handle(*keyed())
    assert done.count(Outcome.DROPPED) == len(CHOSEN)


async def test_a_replay_is_no_observation() -> None:
    world = Canaried(mode=canary(1.0))
    event = ParkedEvent("p.in", 0, 3, b'{"n":3}', b"a", (), 0, before=3, replays=1, due=1)
    world.lane.work._retry_queue._parked.park(event)
    await world.handle_due()
    assert world.totals() == (0, 0, 0, 0)


def kept(rows: dict[bytes, bytes] | None = None) -> LaneState:
    state = LaneState(Partition(STATE, 0))
    state.restore(rows or {})
    return state


def test_the_oldest_observed_keys_are_forgotten_first() -> None:
    state = kept()
    keys = ObservedKeys(state, 7)
    most = CHUNK_KEYS * MAX_CHUNKS
    assert all(keys.add(b"%d" % n, b"run") for n in range(most + 1))
    keys.put_rows()
    rows = state.rows_with(b"canary/")
    assert len(rows) == MAX_CHUNKS
    again = ObservedKeys(kept(rows), 7)
    assert not again.add(b"%d" % most, b"run")
    assert again.add(b"0", b"run")
    assert not again.add(b"%d" % (most - 1), b"run")


@pytest.mark.parametrize("value", [b"", b"1", b"x" * 7, b"{}" * 40_000])
@pytest.mark.parametrize("key", [b"canary/", b"canary/7/", b"canary/7/x", b"canary/9/1"])
def test_foreign_rows_of_observed_keys_do_no_harm(key: bytes, value: bytes) -> None:
    keys = ObservedKeys(kept({key: value, b"canary/7/3": b"8 bytes."}), 7)
    assert keys.add(b"a", b"run")
    assert not keys.add(b"a", b"run")


async def test_parked_events_of_a_candidate_follow_where_the_stage_is_bypassed() -> None:
    def failing(event: In) -> Out:
        raise TimeoutError

    world = Canaried(candidate=failing, retry=PARKS, mode=canary(1.0))
    await world.handle(bare(offset=0, key=b"a"))
    world.controls.now = StageMode("bypass", generation=9)
    assert len((await world.handle(bare(offset=1, key=b"b"))).of("p.out")) == 1
    done = await world.handle_due()
    assert done.count(Outcome.BYPASSED) == 1
    assert world.totals() == (1, 1, 0, 0)


async def test_a_version_that_is_older_than_the_candidate_gets_the_events_that_it_has() -> None:
    def two(event: In) -> Out | Other:
        return Other(said="odd") if event.n % 2 else other(event)

    spec = StageSpec(run="m:f", subscribes=("in",), emits=("out",))
    newest = spec.model_copy(update={"emits": ("out", "other")})
    versions = [
        version(1, stages={"stage": spec}),
        version(2, stages={"stage": newest}),
    ]
    world = Canaried(two, two, mode=canary(1.0), versions=versions, emits=("out", "other"))
    old = [emitted(n, key=b"%d" % n) for n in range(4)]
    done = await world.handle(*old, emitted(5, key=b"5", of="p@2"))
    assert [json.loads(each.value or b"")["n"] for each in done.of("p.out")] == [0, 2]
    assert len(done.of("p.other")) == 1
    assert done.count(Outcome.DROPPED) == 2
    plain = await Lane(two, versions=versions, emits=("out", "other")).handle(
        *old, emitted(5, key=b"5", of="p@2")
    )
    assert plain.count(Outcome.DROPPED) == 2
    assert len(plain.of("p.other")) == 1


def unreachable(event: In) -> Out:
    raise TimeoutError("the shop does not answer")


async def held_by_its_candidate() -> tuple[Canaried, list[Record]]:
    """Return a lane whose candidate has opened the breaker, and the records that wait for it."""
    world = Canaried(
        candidate=unreachable,
        retry=PARKS,
        mode=canary(1.0),
        breaker=BreakerPolicy(failures=3, probe=30),
    )
    first = await world.lane.work.handle(keyed())
    deferred = world.lane.work.deferred
    assert deferred is not None
    assert deferred.is_full()
    return world, keyed()[first.settled :]


@pytest.mark.parametrize("is_lost", [False, True])
async def test_the_end_of_a_canary_closes_the_breaker_that_its_candidate_opened(
    is_lost: bool,
) -> None:
    world, rest = await held_by_its_candidate()
    deferred = world.lane.work.deferred
    assert deferred is not None
    world.lane.work.on_hold()  # as a lane does whose breaker is open
    world.controls.now = StageMode("hold", generation=8)
    world.lane.work.on_hold()
    assert deferred.is_full()
    assert not deferred.due()
    world.controls.now = canary(1.0)
    if is_lost:
        world.candidates.lose()
    else:
        world.controls.now = ON
    world.lane.work.on_hold()
    assert not deferred.is_full()
    assert deferred.next_due == 0.0
    done = await world.lane.work.handle(deferred.due())
    assert done.settled == 3
    assert not deferred.due()
    assert (await world.lane.work.handle(rest)).settled == len(rest)


async def test_a_successor_does_not_wait_for_a_canary_that_has_ended() -> None:
    first = Canaried(candidate=unreachable, retry=PARKS, mode=canary(1.0))
    parked_rows = (await first.handle(bare(offset=0, key=b"a"))).of(RETRY)
    for mode, due in ((canary(1.0), 0), (ON, 1)):
        second = Canaried(retry=PARKS, mode=mode)
        rows = {row.key: row.value for row in parked_rows}
        second.lane.work.open({RETRY: rows, STATE: {}})  # type: ignore[dict-item]
        second.lane.work.on_idle()
        assert second.lane.work.deferred is not None
        assert len(second.lane.work.deferred.due()) == due


async def test_a_candidate_that_fails_holds_no_lane_whose_stable_function_succeeds() -> None:
    breaker = BreakerPolicy(failures=3, share=0.1, probe=30)
    world = Canaried(candidate=unreachable, retry=PARKS, mode=canary(0.5), breaker=breaker)
    await world.handle(bare(offset=100, key=OURS))
    done = await world.handle(*keyed())
    assert len(done.of("p.out")) == len(KEYS) - len(CHOSEN)
    assert world.lane.work.deferred is not None
    assert not world.lane.work.deferred.is_full()


async def test_both_functions_open_the_breaker_where_what_they_depend_on_is_down() -> None:
    breaker = BreakerPolicy(failures=3, probe=30)
    world = Canaried(unreachable, unreachable, retry=PARKS, mode=canary(0.5), breaker=breaker)
    await world.lane.work.handle(keyed())
    assert world.lane.work.deferred is not None
    assert world.lane.work.deferred.is_full()


async def test_log_lines_name_the_candidate_that_failed() -> None:
    with capture_logs() as lines:
        await held_by_its_candidate()
        await Canaried(candidate=unreachable, mode=canary(1.0)).handle(bare(offset=0, key=b"a"))
    told = {line["event"]: line["variant"] for line in lines if "variant" in line}
    assert told == {"event.retried": RUN, "stage.held": RUN, "event.dead": RUN}
    with capture_logs() as lines:
        await Canaried(unreachable, mode=ON).handle(bare(offset=0, key=b"a"))
    assert [line["variant"] for line in lines if line["event"] == "event.dead"] == [None]
