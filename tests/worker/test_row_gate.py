"""Are rows that break a check kept from the function, on every way into it?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

from farandole.events.check_spec import CheckSpec
from farandole.events.controls_in_force import StageMode
from farandole.events.failure_fingerprint import failure_title
from farandole.events.outcome import Outcome
from farandole.events.retry_record import to_parked_event
from farandole.events.topology_version import RetryPolicy
from farandole.worker.row_gate import RowParkedError, RowRejectedError, make_row_gate
from tests.worker.candidates.test_lane_shadow import Offered
from tests.worker.checked import FEW, ODD, checked_lane, version_with
from tests.worker.made import In, Out, bare, emitted
from tests.worker.test_bypass import Switch
from tests.worker.test_canary import Canaried
from tests.worker.test_canary import other as candidate
from tests.worker.test_retry_queue import Clock, Table

T = TypeVar("T")


class Called:
    """Functions of every kind that note what they get."""

    def __init__(self) -> None:
        self.with_: list[int] = []

    def _note(self, event: In) -> Out:
        self.with_.append(event.n)
        return Out(n=event.n)

    def plain(self, event: In) -> Out:
        return self._note(event)

    async def awaited(self, event: In) -> Out:
        return self._note(event)

    def several(self, event: In) -> Iterator[Out]:
        yield self._note(event)

    async def streamed(self, event: In) -> AsyncIterator[Out]:
        yield self._note(event)

    def of_a_list(self, events: list[In]) -> list[Out]:
        return [self._note(event) for event in events]

    def passing(self, event: T) -> T:
        self.with_.append(event["n"])  # type: ignore[index]
        return event


KINDS = ["plain", "awaited", "several", "streamed", "of_a_list", "passing"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [0, 1])
async def test_no_function_gets_a_row_that_is_rejected_or_parked(kind: str, threads: int) -> None:
    called = Called()
    in_thread = threads and kind in ("plain", "several", "of_a_list", "passing")
    pool = ThreadPoolExecutor(1) if in_thread else None
    lane = checked_lane(getattr(called, kind), threads=pool, clock=Clock())
    done = await lane.handle(*(emitted(n, key=b"%d" % n) for n in (2, 100, 3, 4, 101, 6)))
    assert called.with_ == [2, 4, 6]
    assert [out["n"] for out in done.data()] == [2, 4, 6]
    assert (done.count(Outcome.DEAD), done.count(Outcome.PARKED)) == (2, 1)
    assert {letter["error"] for letter in done.dead} == {"RowRejected"}


async def test_a_dead_letter_says_which_check_a_row_breaks_and_with_what() -> None:
    done = await checked_lane().handle(bare({"n": 250}))
    (letter,) = done.dead
    assert letter["message"] == "few: n is '250', and the greatest is 99"
    assert failure_title(letter["message"]) == "few: n is …, and the greatest is #"
    assert (letter["attempts"], letter.get("traceback")) == ("1", None)


@pytest.mark.parametrize(
    ("checks", "data", "message"),
    [
        (
            {"there": CheckSpec(rule="not-null", column="a.b")},
            {"n": 1},
            "there: a.b: it has no value",
        ),
        (
            {"one": CheckSpec(rule="one-of", column="s", values=("x",))},
            {"s": "o'clock"},
            "one: s is 'o’clock', and it is none of the values",
        ),
        (
            {"fits": CheckSpec(rule="expression", holds="data.a > data.b")},
            {"a": 1, "b": 2},
            "fits: `data.a > data.b` is not true of it",
        ),
        (
            {f"c{n}": CheckSpec(rule="not-null", column="x") for n in range(5)},
            {},
            "c0: x: it has no value; c1: x: it has no value; c2: x: it has no value; and 2 more",
        ),
    ],
)
async def test_every_rule_says_what_is_wrong(
    checks: dict[str, CheckSpec], data: dict[str, Any], message: str
) -> None:
    rejecting = {n: c.model_copy(update={"severity": "reject"}) for n, c in checks.items()}
    (letter,) = (await checked_lane(checks=rejecting).handle(bare(data))).dead
    assert letter["message"] == message


PERSONAL = {
    "type": "object",
    "properties": {
        "mail": {"type": "string", "personal": True},
        "who": {"type": "object", "personal": True},
    },
}


@pytest.mark.parametrize("data", [{"mail": "a@b.c"}, {"mail": 7}, {"who": {"mail": "a@b.c"}}])
async def test_a_personal_value_is_masked(data: dict[str, Any]) -> None:
    column = "mail" if "mail" in data else "who.mail"
    check = CheckSpec(rule="pattern", column=column, matches="[0-9]+", severity="reject")
    (letter,) = (await checked_lane(checks={"it": check}, schema=PERSONAL).handle(bare(data))).dead
    assert letter["message"].startswith(f"it: {column} is '•••', and it")


async def test_a_row_that_is_no_json_is_a_dead_letter_as_before() -> None:
    (letter,) = (await checked_lane().handle(bare(b"{"))).dead
    assert letter["error"] == "Unreadable"


async def test_only_what_the_filter_lets_in_is_judged() -> None:
    done = await checked_lane(when={"in": "data.n < 200"}).handle(bare({"n": 250}))
    assert (done.dead, done.count(Outcome.FILTERED)) == ([], 1)


async def test_the_function_may_not_be_called_although_its_model_would_refuse_the_row() -> None:
    """The check speaks first: it is about the data."""
    check = CheckSpec(rule="not-null", column="n", severity="reject")
    (letter,) = (await checked_lane(checks={"there": check}).handle(bare({"m": 1}))).dead
    assert letter["error"] == "RowRejected"


async def test_what_only_warns_is_handled() -> None:
    warned = {"few": FEW.model_copy(update={"severity": "warn"})}
    assert (await checked_lane(checks=warned).handle(bare({"n": 250}))).data() == [
        {"n": 250, "household": None}
    ]


def test_a_share_judges_no_row() -> None:
    part = {"few": FEW.model_copy(update={"severity": "fail", "share": 0.9})}
    assert make_row_gate(version_with(part), "in", "stage") is None


def test_a_program_of_others_has_seen_the_row_before() -> None:
    assert make_row_gate(version_with({"few": FEW}, external=True), "in", "stage") is None


def test_a_row_that_breaks_both_is_rejected() -> None:
    judge = make_row_gate(version_with({"odd": ODD, "few": FEW}), "in", "stage")
    assert judge is not None
    with pytest.raises(RowRejectedError):
        judge(b'{"n": 101}', bare())
    with pytest.raises(RowParkedError, match="odd: `int"):
        judge(b'{"n": 51}', bare())


def test_who_was_released_is_not_asked_again_and_may_still_be_rejected() -> None:
    judge = make_row_gate(version_with({"odd": ODD, "few": FEW}), "in", "stage")
    assert judge is not None
    released = to_parked_event(bare())._replace(released=1)
    judge(b'{"n": 51}', released)
    with pytest.raises(RowRejectedError):
        judge(b'{"n": 101}', released)


async def test_the_version_of_an_event_says_by_what_it_is_judged() -> None:
    old, new = version_with({}, 1), version_with({"few": FEW}, 2)
    lane = checked_lane(versions=[old, new])
    done = await lane.handle(emitted(300, of="p@1"), emitted(301, of="p@2"))
    assert ([out["n"] for out in done.data()], done.count(Outcome.DEAD)) == ([300], 1)


async def test_rows_are_judged_where_the_stage_is_bypassed() -> None:
    called = Called()
    lane = checked_lane(called.plain, controls=Switch("bypass").controls, clock=Clock())
    done = await lane.handle(*(bare({"n": n}, n) for n in (2, 100, 3)))
    assert ([out["n"] for out in done.data()], called.with_) == ([2], [])
    assert [done.count(o) for o in (Outcome.BYPASSED, Outcome.DEAD, Outcome.PARKED)] == [1, 1, 1]


@pytest.mark.parametrize("share", [1.0, 0.0])
async def test_a_canary_neither_calls_a_function_nor_counts_it(share: float) -> None:
    called = Called()
    mode = StageMode("canary", "m:g", share, generation=7)
    world = Canaried(
        called.plain, candidate, mode=mode, versions=[version_with({"few": FEW, "odd": ODD})]
    )
    done = await world.handle(*(bare({"n": n}, n, key=b"%d" % n) for n in (100, 3, 101)))
    assert (done.data(), called.with_, world.observed) == ([], [], [])
    assert (done.count(Outcome.DEAD), done.count(Outcome.PARKED)) == (2, 1)


async def test_a_shadow_gets_no_row_that_the_function_did_not_get() -> None:
    shadow = Offered()
    lane = shadow.lane(Called().plain, versions=[version_with({"few": FEW, "odd": ODD})],
                       clock=Clock())  # fmt: skip
    await shadow.handle(lane, *(bare({"n": n}, n) for n in (100, 3, 2)))
    assert shadow.offsets == [[2]]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_rejected_row_is_tried_once_and_holds_up_nobody(kind: str) -> None:
    called: Callable[..., Any] = getattr(Called(), kind)
    patient = RetryPolicy(attempts=5, backoff=60)
    table = Table(checked_lane(called, retry=patient, clock=Clock()))
    left = [emitted(n, key=b"k") for n in (100, 2, 102, 4)]
    while left:
        del left[: await table.handle(*left)]
    assert (table.results, table.waiting) == ([2, 4], [])
    assert [letter["error"] for letter in table.dead] == ["RowRejected"] * 2
