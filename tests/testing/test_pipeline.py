"""Does a pipeline in memory do what its file and its functions say?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel

from farandole.events.outcome import Outcome
from farandole.testing import NotAtRestError, Pipeline, TopologyError
from tests.testing.projects import SHOP, TOPOLOGY, write_project


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(write_project(tmp_path)) as pipeline:
        yield pipeline


def order(customer: str = "ann", *items: str, cents: int = 1) -> dict[str, object]:
    return {"customer": customer, "items": items, "cents": cents}


def test_results_come_in_the_order_of_their_causes(shop: Pipeline) -> None:
    for customer in "abcdef":
        shop.send("order.placed", order(customer, "tea", "rice"))
    shop.run()
    picked = [(e.data["customer"], e.data["name"]) for e in shop.emitted("item.picked")]
    assert picked == [(c, name) for c in "abcdef" for name in ("tea", "rice")]


def test_an_event_says_what_caused_it(shop: Pipeline) -> None:
    root = shop.send("order.placed", order("ann", "tea"), key="ann")
    shop.run()
    (checked,) = shop.emitted("order.checked")
    assert (checked.stage, checked.key, checked.run) == ("check", "ann", root.run)
    assert checked.id == f"{root.position}/0"
    assert checked.attributes["type"] == "order.checked"


def test_data_are_read_back_as_a_stage_reads_them(shop: Pipeline) -> None:
    class Checked(BaseModel):
        customer: str

    shop.send("order.placed", Checked(customer="bob"))
    shop.run()
    assert shop.emitted("order.checked")[0].read(Checked) == Checked(customer="bob")


CHECKED = TOPOLOGY.replace(
    "order.placed: {key: customer}",
    """order.placed:
        key: customer
        checks:
          paid: {rule: range, column: cents, min: 0, severity: reject}
          small: {rule: range, column: cents, max: 1000, severity: park}""",
)


GATED = TOPOLOGY.replace(
    "item.ordered: {key: customer}",
    """item.ordered:
        key: customer
        checks:
          known: {rule: one-of, column: name, values: [tea, rice], share: 60%, severity: gate}""",
).replace("subscribes: item.ordered,", "subscribes: item.ordered, gate: true,")


def test_a_gate_opens_once_its_checks_have_passed(tmp_path: Path) -> None:
    with Pipeline(write_project(tmp_path, GATED)) as shop:
        shop.send("order.placed", order("ann", "tea", "rice", "sand"))
        report = shop.run()
        assert len(shop.emitted("item.picked")) == 3
        assert (report.status, report.runs[0]["gates"]["pick"]["state"]) == ("completed", "open")


def test_a_gate_keeps_out_a_run_whose_check_has_failed(tmp_path: Path) -> None:
    with Pipeline(write_project(tmp_path, GATED)) as shop:
        bad = shop.send("order.placed", order("ann", "tea", "sand", "mud"))
        report = shop.run()
        assert shop.emitted("item.picked") == []
        gate = report.runs[0]["gates"]["pick"]
        assert (gate["state"], [*gate["failed"]]) == ("failed", ["item.ordered/known"])
        shop.release(bad.run)
        report = shop.run()
        assert len(shop.emitted("item.picked")) == 3
        assert (report.status, report.runs[0]["gates"]["pick"]["state"]) == (
            "completed",
            "released",
        )


def test_checks_of_data_reject_and_park_rows(tmp_path: Path) -> None:
    with Pipeline(write_project(tmp_path, CHECKED)) as shop:
        shop.send("order.placed", order("ann", cents=-1))
        shop.send("order.placed", order("bob", cents=5_000))
        shop.send("order.placed", order("bob"))
        shop.send("order.placed", order("eve"))
        report = shop.run()
        (letter,) = shop.dead_letters()
        assert (letter.error, letter.message) == (
            "RowRejected",
            "paid: cents is '-1', and the least is 0",
        )
        (row,) = shop.parked("check")
        assert (row.event.data["customer"], row.checks) == ("bob", ["small"])
        assert row.message == "small: cents is '5000', and the greatest is 1000"
        assert [e.data["customer"] for e in shop.emitted("order.checked")] == ["eve"]
        edge = report.edges["order.placed>check"]
        assert (edge["dead"], edge["parked"], edge["handled"]) == (1, 2, 1)


def test_a_stage_is_switched_and_what_waited_goes_on_in_order(shop: Pipeline) -> None:
    """Bypassed, `check` lets through what it would reject; on hold it keeps its parked event, too,
    whose time to wait passes."""
    shop.fail("check", times=1)
    shop.send("order.placed", order("ann", "tea"))
    shop.advance(0)
    shop.switch("check", "hold")
    shop.send("order.placed", order("ann", cents=-1))
    held = shop.advance(3600)
    assert (shop.emitted("order.checked"), held.is_balanced) == ([], False)
    shop.switch("check", "bypass")
    assert shop.run().is_balanced
    assert [e.data["cents"] for e in shop.emitted("order.checked")] == [1, -1]
    shop.switch("check", "on")
    shop.send("order.placed", order("ann", cents=-1))
    counts = shop.run().edges["order.placed>check"]
    assert (counts["bypassed"], counts["dead"], counts["handled"]) == (2, 1, 0)
    assert [row.get("controls") for row in shop.report().runs] == [
        ["switch/check=bypass@1"], ["switch/check=bypass@1"], None,
    ]  # fmt: skip


CANDIDATES = """
    def dear(order: Order) -> Order:
        return order.model_copy(update={"cents": 1_000})

    def broken(order: Order) -> Order:
        raise Reject("it is broken")
"""


def test_a_canary_handles_the_events_of_some_keys(tmp_path: Path) -> None:
    file = write_project(tmp_path, code=SHOP + CANDIDATES)
    (module,) = (path.stem for path in tmp_path.glob("made_*.py"))
    with Pipeline(file) as shop:
        shop.switch("check", "canary", run=f"{module}:dear", share="50%")
        for n in range(40):
            shop.send("order.placed", order(f"c{n % 10}"), key=f"c{n % 10}")
        assert shop.run().is_balanced
        dear = {e.key for e in shop.emitted("order.checked") if e.data["cents"] == 1_000}
        plain = {e.key for e in shop.emitted("order.checked") if e.data["cents"] == 1}
        assert dear | plain == {f"c{n}" for n in range(10)}
        assert dear
        assert plain
        assert not dear & plain


def test_a_canary_that_fails_is_ended_by_the_bookkeeper(tmp_path: Path) -> None:
    file = write_project(tmp_path, code=SHOP + CANDIDATES)
    (module,) = (path.stem for path in tmp_path.glob("made_*.py"))
    with Pipeline(file) as shop:
        shop.switch("check", "canary", run=f"{module}:broken", share=0.5)
        dead = []
        for _ in range(2):
            for n in range(60):
                shop.send("order.placed", order(), key=f"c{n}")
            shop.run()
            dead.append(len(shop.dead_letters("check")))
        assert 0 < dead[0] == dead[1] < 60
        assert {letter.message for letter in shop.dead_letters("check")} == {"it is broken"}


def test_a_candidate_that_does_not_fit_is_called_for_nothing(tmp_path: Path) -> None:
    with Pipeline(write_project(tmp_path)) as shop:
        shop.switch("check", "canary", run="no.such.module:check", share=0.5)
        for n in range(20):
            shop.send("order.placed", order(), key=f"c{n}")
        assert shop.run().is_balanced
        assert len(shop.emitted("order.checked")) == 20


def test_a_stage_that_cannot_be_bypassed_is_not_switched(shop: Pipeline) -> None:
    with pytest.raises(ValueError, match=r"thank cannot be bypassed: it emits nothing"):
        shop.switch("thank", "bypass")
    with pytest.raises(LookupError, match="'chek'"):
        shop.switch("chek", "hold")


def test_a_reject_is_a_dead_letter_with_its_reason(shop: Pipeline) -> None:
    shop.send("order.placed", order(cents=-1))
    report = shop.run()
    (letter,) = shop.dead_letters()
    assert (letter.stage, letter.error, letter.message) == (
        "check",
        "Reject",
        "nobody is paid for an order",
    )
    assert letter.event.data["cents"] == -1
    assert report.status == "failed"


def test_bytes_that_are_no_event_die_in_the_stage_that_reads_them(shop: Pipeline) -> None:
    shop.send("order.placed", b"\xff not JSON")
    shop.run()
    assert [letter.error for letter in shop.dead_letters("check")] == ["Unreadable"]


def test_what_a_function_keeps_back_is_dropped(shop: Pipeline) -> None:
    shop.send("order.placed", order("ann", "tea", "air"))
    shop.run()
    (dropped,) = shop.dropped()
    assert (dropped.stage, dropped.outcome) == ("pick", Outcome.DROPPED)
    assert dropped.event.data["name"] == "air"


def test_what_a_condition_does_not_let_in_is_filtered(tmp_path: Path) -> None:
    topology = TOPOLOGY.replace(
        "subscribes: item.ordered,",
        """subscribes: {item.ordered: {when: "data.name != 'air'"}},""",
    )
    with Pipeline(write_project(tmp_path, topology)) as shop:
        shop.send("order.placed", order("ann", "tea", "air"))
        report = shop.run()
        assert [u.outcome for u in shop.dropped("pick")] == [Outcome.FILTERED]
        assert report.edges["item.ordered>pick"]["filtered"] == 1


def test_the_books_balance(shop: Pipeline) -> None:
    shop.send("order.placed", order("ann", "tea", "air"))
    shop.send("order.placed", order("bob", cents=-1))
    report = shop.run()
    assert report.is_balanced
    assert [row["status"] for row in report.runs] == ["completed", "failed"]
    checked = report.edges["order.placed>check"]
    assert (checked["consumed"], checked["handled"], checked["dead"]) == (2, 1, 1)
    assert report.edges["item.ordered>pick"]["dropped"] == 1
    assert report.edges["order.checked>thank"]["handled"] == 1


def test_more_events_are_sent_after_a_run(shop: Pipeline) -> None:
    shop.send("order.placed", order("ann", "tea"))
    shop.run()
    shop.send("order.placed", order("bob", "tea"))
    shop.run()
    assert [e.data["customer"] for e in shop.emitted("item.picked")] == ["ann", "bob"]


def test_a_stage_that_fails_twice_is_tried_a_third_time(shop: Pipeline) -> None:
    shop.fail("check", times=2)
    shop.send("order.placed", order("ann", "tea"))
    assert shop.run().status == "completed"
    assert len(shop.emitted("item.picked")) == 1


def test_a_stage_that_fails_to_the_end_gives_the_event_up(shop: Pipeline) -> None:
    shop.fail("check", error=TimeoutError("nobody answers"), times=3)
    shop.send("order.placed", order())
    shop.run()
    (letter,) = shop.dead_letters()
    assert (letter.error, letter.message, letter.attempts) == ("TimeoutError", "nobody answers", 3)


def test_a_wait_of_hours_passes_at_once(tmp_path: Path) -> None:
    topology = TOPOLOGY.replace(
        "emits: order.checked",
        "emits: order.checked, retry: {backoff: 5h, max_backoff: 5h, jitter: 0%}",
    )
    began = datetime(2026, 3, 1, 8, tzinfo=UTC)
    with Pipeline(write_project(tmp_path, topology), start=began) as shop:
        shop.fail("check", times=1)
        shop.send("order.placed", order("ann", "tea"))
        waiting = shop.advance(3600)
        assert waiting.edges["order.placed>check"]["parked"] == 1
        assert shop.now == began + timedelta(hours=1)
        assert shop.emitted("order.checked") == []
        assert shop.run().is_balanced
        assert shop.now - began >= timedelta(hours=5)


def test_each_event_of_an_outage_is_emitted_or_a_dead_letter(shop: Pipeline) -> None:
    shop.fail("check", "pick", seconds=600)
    for number in range(40):
        shop.send("order.placed", order(f"c{number % 7}", "tea"))
    report = shop.run()
    dead = len(shop.dead_letters())
    assert len(shop.emitted("item.picked")) == 40 - dead
    assert report.is_balanced


def test_a_stage_that_never_recovers_is_named(tmp_path: Path) -> None:
    topology = TOPOLOGY.replace(
        "emits: order.checked",
        "emits: order.checked, retry: {in_place: 0s}, breaker: {failures: 1}",
    )
    with Pipeline(write_project(tmp_path, topology)) as shop:
        shop.fail("check")
        shop.send("order.placed", order())
        with pytest.raises(NotAtRestError, match="never recovers"):
            shop.run()
        shop.heal("check")
        assert shop.run().is_balanced


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("send", "there is no event type 'order.plcaed'; there are order.placed, order.checked"),
        ("fail", "there is no stage that runs 'chekc'; there are check, split, pick, thank"),
    ],
)
def test_a_misspelt_name_is_told(shop: Pipeline, how: str, message: str) -> None:
    with pytest.raises(LookupError, match=message):
        shop.send("order.plcaed", {}) if how == "send" else shop.fail("chekc")


def test_a_bad_file_is_refused_with_the_words_of_lint(tmp_path: Path) -> None:
    file = write_project(tmp_path, TOPOLOGY.replace("MODULE:check", "MODULE:chek"))
    with pytest.raises(TopologyError, match=r"topology\.yaml:\d+:\d+: .* has no function 'chek'"):
        Pipeline(file)


def test_only_some_stages_run(tmp_path: Path) -> None:
    with Pipeline(write_project(tmp_path), stages=["check"]) as shop:
        shop.send("order.placed", order("ann", "tea"))
        report = shop.run()
        assert [*report.edges] == ["order.placed>check"]
        assert len(shop.emitted("order.checked")) == 1


async def test_it_runs_in_an_async_test(tmp_path: Path) -> None:
    async with Pipeline(write_project(tmp_path)) as shop:
        shop.send("order.placed", order("ann", "tea"))
        assert (await shop.run_async()).is_balanced


LIST = SHOP.replace(
    "async def thank(order: Order) -> None: ...",
    """async def thank(order: Order) -> None: ...

    batches = []

    def count(items: list[Item]) -> list[Item]:
        batches.append(len(items))
        return [item for item in items if item.name != "air"]
    """,
)


def test_a_stage_of_a_list_gets_what_its_lane_has(tmp_path: Path) -> None:
    import sys

    topology = TOPOLOGY.replace("MODULE:pick", "MODULE:count").replace("pick:", "count:")
    file = write_project(tmp_path, topology, LIST)
    with Pipeline(file) as shop:
        shop.send("order.placed", order("ann", *["tea"] * 30))
        shop.run()
        (module,) = [m for m in sys.modules if m.startswith("made_") and m in file.read_text()]
        assert sys.modules[module].batches == [30]
        assert len(shop.emitted("item.picked")) == 30


SLOW = """
    import asyncio
    import time
    from pydantic import BaseModel

    class Order(BaseModel):
        customer: str

    async def wait(order: Order) -> None:
        await asyncio.sleep(3600)

    def work(order: Order) -> Order:
        time.sleep(0.01)
        return order
"""


def test_an_awaited_function_reaches_its_timeout_at_once(tmp_path: Path) -> None:
    topology = """
        pipeline: shop
        events: {order.placed: {key: customer}}
        stages: {wait: {run: "MODULE:wait", subscribes: order.placed, retry: {attempts: 1}}}
    """
    with Pipeline(write_project(tmp_path, topology, SLOW)) as shop:
        shop.send("order.placed", {"customer": "ann"})
        shop.run()
        assert [letter.error for letter in shop.dead_letters()] == ["TimeoutError"]


def test_a_function_in_a_thread_is_waited_for(tmp_path: Path) -> None:
    topology = """
        pipeline: shop
        events: {order.placed: {key: customer}}
        stages:
          work: {run: "MODULE:work", subscribes: order.placed, emits: order.done, threads: 2}
    """
    with Pipeline(write_project(tmp_path, topology, SLOW)) as shop:
        for number in range(5):
            shop.send("order.placed", {"customer": f"{number}"})
        assert shop.run().is_balanced
        assert len(shop.emitted("order.done")) == 5
