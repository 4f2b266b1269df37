"""What do the commands ask of a running system, and what do they refuse to ask?"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import pytest

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.broker.topic_spec import TopicSpec
from farandole.events.control_documents import CancelDocument, PauseDocument, RestartDocument
from farandole.events.controls_in_force import TimedDocument
from farandole.events.envelope import REPEATED_RUN_HEADER
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS
from farandole.events.record import Record
from farandole.events.root_record import repeat_headers
from farandole.events.run_ids import RunIdGenerator
from farandole.events.run_row import RunRow
from farandole.operations.control.cancel import expired_cancel_keys, in_flight_edges
from farandole.operations.control.control_publisher import publish_control
from farandole.operations.control.control_query import PauseState
from farandole.router.topology_store import current_version
from farandole.services.restart_orders import follow_restart_orders
from farandole.services.supervisor import Supervisor
from tests.cli.conftest import Call, one_line
from tests.cli.test_cluster_commands import applied as applied
from tests.cli.test_cluster_commands import topic

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RUN = "k7mq2vtd4x3aa"
DATA = '{"weeks": [3]}'


def edge(emitted: int, consumed: int) -> dict[str, int]:
    kinds = ("dropped", "filtered", "dead", "cancelled", "parked", "differs", "age", "seconds")
    return {
        "emitted": emitted,
        "consumed": consumed,
        "first": 1,
        "last": 1,
        **dict.fromkeys(kinds, 0),
    }


def row(**more: Any) -> RunRow:
    made = {
        "run": RUN, "pipeline": "order-lines", "version": 1, "status": "running", "root": None,
        "opened": 1, "last": 1, "closed": None, "amended": 0, "late": False, "edges": {},
        "leaves": {}, **more,
    }  # fmt: skip
    return cast(RunRow, made)


def test_events_in_flight_are_shown_with_what_pauses_their_stage() -> None:
    edges = {"a>one": edge(3, 3), "b>two": edge(3, 1), "c>three": edge(1, 0)}
    pause = TimedDocument(PauseDocument(pipeline="order-lines", stage="two", by="ann"), NOW, 1)
    found = [*in_flight_edges(row(edges=edges), {b"k": pause}, NOW)]
    assert [(e.edge, e.stage, e.events, e.pause) for e in found] == [
        ("b>two", "two", 2, PauseState(by="ann", since=NOW, until=None, pipeline=False)),
        ("c>three", "three", 1, None),
    ]


def test_only_expired_cancel_documents_are_deleted() -> None:
    hour = timedelta(hours=1)
    found = {
        b"old": TimedDocument(CancelDocument(run="a", until=NOW - hour), NOW, 1),
        b"new": TimedDocument(CancelDocument(run="b", until=NOW + hour), NOW, 1),
        b"pause": TimedDocument(PauseDocument(pipeline="p", until=NOW - hour), NOW, 1),
    }
    assert expired_cancel_keys(found, NOW) == [b"old"]


def test_a_run_that_repeats_a_repetition_names_that_one() -> None:
    assert repeat_headers([("a", b"1"), (REPEATED_RUN_HEADER, b"older")], RUN) == [
        ("a", b"1"),
        (REPEATED_RUN_HEADER, RUN.encode()),
    ]


def keep(settings: Settings, *rows: RunRow) -> None:
    """As the books would."""

    async def kept() -> None:
        async with ClusterAdmin.open(settings) as admin:
            await admin.create_topics(
                {
                    settings.names.runs_topic: TopicSpec(
                        DEFAULT_LEDGER_PARTITIONS, {"cleanup.policy": "compact"}
                    )
                }
            )
        async with open_client(make_producer(settings), settings) as client:
            for each in rows:
                await client.send_and_wait(
                    settings.names.runs_topic, json.dumps(each).encode(), key=each["run"].encode()
                )

    asyncio.run(kept())


def asked(settings: Settings) -> list[dict[str, Any]]:
    table = asyncio.run(read_table(settings, settings.names.control_topic))
    return [json.loads(value) for value in table.values()]


@pytest.mark.kafka
def test_cancel_asks_for_what_the_books_know_to_go_on(applied: Call, settings: Settings) -> None:
    keep(settings, row(edges={"line.ingested>validate": edge(12, 2)}))
    applied("pause", "validate", "--by", "ann")
    text = applied("cancel", RUN, "--by", "bob").stdout.splitlines()
    assert text[0] == f"{RUN}: cancelling"
    assert text[1].startswith("  line.ingested>validate: 10 in flight; validate is on hold by ann ")
    assert text[1].endswith(" resume validate")
    (document,) = [document for document in asked(settings) if document["do"] == "cancel"]
    assert (document["run"], document["by"]) == (RUN, "bob")
    assert applied("cancel", RUN).stdout.splitlines() == text
    assert [w["by"] for w in asked(settings) if w["do"] == "cancel"] == ["bob"]


@pytest.mark.kafka
def test_a_run_whose_root_is_not_worked_yet_is_known(applied: Call, settings: Settings) -> None:
    """No worker and no bookkeeper has ever run here."""
    applied("trigger", "feed.requested", "--data", DATA)
    run = applied("trigger", "feed.requested", "--data", DATA).stdout.strip()
    shown = json.loads(applied("run", run, "--json").stdout)
    assert (shown["status"], shown["root"]["offset"]) == ("running", 1)
    assert shown["edges"]["feed.requested>plan"]["in_flight"] == 1
    assert "plan has settled none of 1 feed.requested yet" in applied("run", run).stdout
    cancelled = applied("cancel", run, "--by", "bob").stdout.splitlines()
    assert cancelled[:2] == [f"{run}: cancelling", "  feed.requested>plan: 1 in flight"]
    assert [w["run"] for w in asked(settings) if w["do"] == "cancel"] == [run]
    assert "no run in the books begins with" in one_line(applied("run", RUN))


@pytest.mark.kafka
def test_a_run_that_is_over_or_unknown_cannot_be_cancelled(
    applied: Call, settings: Settings
) -> None:
    assert f"the books know no run '{RUN}'" in one_line(applied("cancel", RUN))
    keep(settings, row(status="completed", closed=1764000000000))
    assert f"{RUN} is over: completed since 2025-11-24" in one_line(applied("cancel", RUN))
    assert asked(settings) == []


@pytest.mark.kafka
def test_status_shows_pauses_until_they_are_resumed(applied: Call) -> None:
    applied("pause", "--all", "--by", "ann", "--for", "2h")
    applied("resume", "load")
    paused = json.loads(applied("status", "--json").stdout)["paused"]
    assert "load" not in paused
    assert (paused["validate"]["by"], paused["validate"]["pipeline"]) == ("ann", True)
    assert "validate is on hold with the whole pipeline by ann since " in applied("status").stdout
    assert "validate: goes on; it was on hold" in applied("resume", "--all").stdout
    assert json.loads(applied("status", "--json").stdout)["paused"] == {}
    assert "order-lines: nothing is on hold" in applied("resume", "--all").stdout


@pytest.mark.kafka
def test_resuming_all_resumes_stages_that_were_paused_singly(applied: Call) -> None:
    applied("pause", "load")
    applied("resume", "--all")
    assert json.loads(applied("status", "--json").stdout)["paused"] == {}


@pytest.mark.kafka
def test_a_stage_that_is_not_there_cannot_be_paused(applied: Call, settings: Settings) -> None:
    assert "did you mean 'load'?" in one_line(applied("pause", "laod"))
    assert "did you mean 'load'?" in one_line(applied("resume", "laod"))
    assert applied("pause").exit_code == applied("resume", "load", "--all").exit_code == 2
    assert asked(settings) == []


def records(settings: Settings, of: str) -> list[Record]:
    async def found() -> list[Record]:
        return [r async for batch in scan(settings, [of]) for r in batch]

    return asyncio.run(found())


def rooted(settings: Settings, offset: int) -> tuple[str, RunRow]:
    """A run of the shipped pipeline, and its row."""
    requested = topic(settings, "feed.requested")
    version = asyncio.run(current_version(settings, "order-lines"))
    assert version is not None
    run = RunIdGenerator(version.installation, requested).run_id(0, offset, version.format)
    root = {
        "type": "feed.requested", "topic": requested, "partition": 0, "offset": offset, "at": 1,
        "to": ["plan"],
    }  # fmt: skip
    return run, row(run=run, root=root)


@pytest.mark.kafka
def test_again_publishes_the_same_root_with_a_link(applied: Call, settings: Settings) -> None:
    old = applied("trigger", "feed.requested", "--data", DATA).stdout.strip()
    run, kept = rooted(settings, 0)
    assert run == old
    keep(settings, kept)
    new = json.loads(applied("again", run, "--json").stdout)
    first, second = records(settings, topic(settings, "feed.requested"))
    assert new["run"] == rooted(settings, second.offset)[0] != run
    assert (second.key, second.value, second.partition) == (first.key, first.value, 0)
    assert [*second.headers] == [*first.headers, (REPEATED_RUN_HEADER, run.encode())]


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"root": None}, "has no root"),
        ({"offset": 7}, "no longer holds offset 7"),
        ({"offset": -1}, "no longer holds offset -1"),
        ({"type": "feed.gone"}, "was opened by a feed.gone, to which no stage"),
    ],
)
def test_a_run_that_cannot_be_repeated_is_refused_with_the_reason(
    applied: Call, settings: Settings, change: dict[str, Any], text: str
) -> None:
    applied("trigger", "feed.requested", "--data", DATA)
    run, kept = rooted(settings, 0)
    root = None if "root" in change else {**cast(Any, kept["root"]), **change}
    keep(settings, cast(RunRow, {**kept, "root": root}))
    assert text in one_line(applied("again", run))
    assert len(records(settings, topic(settings, "feed.requested"))) == 1


class Restarted:
    """A supervisor that notes what it is to restart."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def restart(self, names: Any = None) -> None:
        self.asked.append(names)


@pytest.mark.kafka
def test_a_restart_is_executed_once_by_whoever_runs_then(applied: Call, settings: Settings) -> None:
    assert applied("restart", "validate", "--by", "ann").stdout == "validate: restarting\n"
    order = json.loads(applied("restart", "--all", "--json").stdout)
    assert order["target"] == "order-lines"
    assert "did you mean 'validate'?" in one_line(applied("restart", "validat"))
    (written, every) = [w for w in asked(settings) if w["do"] == "restart"]
    assert (written["stage"], written["by"], every["id"]) == ("validate", "ann", order["order"])

    async def executed() -> list[Any]:
        supervisor = Restarted()
        following = asyncio.create_task(
            follow_restart_orders(cast(Supervisor, supervisor), settings, "order-lines")
        )
        async with asyncio.timeout(180):
            while not supervisor.asked:  # an order given before it follows is none
                document = RestartDocument(pipeline="order-lines", stage="load", id=uuid4().hex)
                await publish_control(settings, document)
                await asyncio.sleep(0.5)
            first = [*supervisor.asked]
            await publish_control(settings, document)  # the same id again
            await publish_control(settings, RestartDocument(pipeline="another", id="1"))
            await publish_control(settings, RestartDocument(pipeline="order-lines", id="2"))
            while None not in supervisor.asked:
                await asyncio.sleep(0.01)
        following.cancel()
        return [first[0], *supervisor.asked[len(first) :]]

    stages = asyncio.run(executed())
    assert stages[0] == {"load"}
    assert stages[-1] is None
    assert len(stages) <= 3  # at most one order was under way
