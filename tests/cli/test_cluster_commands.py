"""What do the commands do to a Kafka, with no worker at work?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from farandole.broker.aiokafka_internals import force_close_client
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_consumer, make_producer, open_client
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.header_codec import decode_headers
from farandole.events.run_ids import RunIdGenerator
from farandole.operations.dead_letters import open_letter_counts
from farandole.router.topology_store import current_version
from tests.cli.conftest import Call, environment, one_line

pytestmark = pytest.mark.kafka


@pytest.fixture
def applied(call: Call, settings: Settings) -> Call:
    """`farandole -C folder …` on the tests' Kafka, where the shipped file is in force."""
    env = environment(settings)

    def on_kafka(*arguments: str, stdin: str = "") -> Any:
        return call(*arguments, env=env, stdin=stdin)

    first = on_kafka("apply", "--json")
    assert first.exit_code == 0, first.output
    assert json.loads(first.stdout)["version"] == "order-lines@1"
    return on_kafka


def topic(settings: Settings, event_type: str) -> str:
    return settings.names.event_topic("order-lines", event_type)


def send(settings: Settings, to: str, value: bytes, **more: Any) -> None:
    async def sent() -> None:
        async with open_client(make_producer(settings), settings) as client:
            await client.send_and_wait(to, value, **more)

    asyncio.run(sent())


def test_a_topic_that_others_have_changed_is_told_with_the_command_that_decides(
    applied: Call, settings: Settings
) -> None:
    """Moving an offset would not help: the lane waits for a version that knows the topic."""
    widened, again = topic(settings, "line.ingested"), topic(settings, "chunk.planned")

    async def change() -> None:
        async with ClusterAdmin.open(settings) as admin:
            await admin.create_topics({widened: TopicSpec(6, grows=True)})
            await admin.delete_topics([again])
            await admin.create_topics({again: TopicSpec(4)})

    asyncio.run(change())
    status = json.loads(applied("status", "--json").stdout)
    changes = {each["event"]: each["change"] for each in status["changed_topics"]}
    assert changes == {"line.ingested": "widened", "chunk.planned": "recreated"}
    assert "write `partitions: 6` for line.ingested" in applied("status").stdout
    for stage, said in (("validate", "has 6 partitions"), ("ingest", "was deleted and created")):
        result = applied("seek", stage, "--to", "earliest")
        assert result.exit_code == 1
        assert said in one_line(result)


def test_a_second_apply_changes_nothing(unchanged: Call) -> None:
    assert unchanged("apply").stdout == "nothing changed: order-lines@1 is in force\n"


def test_nothing_applied_is_one_line(call: Call, folder: Path, settings: Settings) -> None:
    result = call("status", env=environment(settings))
    assert f"run: farandole -C {folder} apply" in one_line(result)


def test_a_trigger_prints_the_run_that_it_opens(applied: Call, settings: Settings) -> None:
    result = applied("trigger", "feed.requested", "--data", '{"weeks": [1]}')
    version = asyncio.run(current_version(settings, "order-lines"))
    assert version is not None
    ids = RunIdGenerator(version.installation, topic(settings, "feed.requested"))
    run = ids.run_id(0, 0, version.format)
    assert result.stdout == f"{run}\n"


def test_a_trigger_is_read_from_standard_input_or_a_file(applied: Call, folder: Path) -> None:
    file = folder / "weeks.json"
    file.write_text('{\n  "weeks": [1]\n}\n')
    first = applied("trigger", "feed.requested", "--data", "-", "--json", stdin='{"weeks": "all"}')
    second = applied("trigger", "feed.requested", "--data", f"@{file}", "--json")
    assert [json.loads(r.stdout)["offset"] for r in (first, second)] == [0, 1]
    document = applied("tail", "feed.requested", "--no-follow").stdout
    assert document == '{"weeks":"all"}\n{"weeks":[1]}\n'


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["feed.requested", "--data", '{"week": [1]}'], "plan would refuse this feed.requested"),
        (["feed.requestet", "--data", "{}"], "did you mean 'feed.requested'?"),
        (["line.priced", "--data", "{}"], "line.priced is emitted by price"),
    ],
)
def test_what_would_die_is_not_published(unchanged: Call, words: list[str], message: str) -> None:
    assert message in one_line(unchanged("trigger", *words))
    assert unchanged("tail", "feed.requested", "--no-follow").stdout == ""


def test_a_trigger_is_filtered_and_refused_as_the_stages_would(applied: Call, folder: Path) -> None:
    file = folder / "topology.yaml"
    text = file.read_text()
    assert "subscribes: feed.requested" in text
    filtered = '{feed.requested: {when: "data.weeks != []"}}'
    file.write_text(text.replace("subscribes: feed.requested", f"subscribes: {filtered}"))
    assert "order-lines@2" in applied("apply").stdout
    assert "nothing changed" in applied("apply").stdout
    # `plan` would refuse it, were it not filtered.
    assert applied("trigger", "feed.requested", "--data", '{"weeks": []}').exit_code == 0
    refused = one_line(applied("trigger", "feed.requested", "--data", "{}"))
    assert "plan would refuse this feed.requested" in refused
    assert "there is no 'weeks'" in refused


def test_force_publishes_it_all_the_same_under_its_key(applied: Call) -> None:
    data = '{"household_id": 7}'
    assert applied("trigger", "line.priced", "--data", data, "--force").exit_code == 0
    document = json.loads(applied("tail", "line.priced", "--no-follow", "--json").stdout)
    assert (document["key"], document["data"]) == ("7", {"household_id": 7})


def test_tail_names_the_run_that_a_bare_record_opens(applied: Call, settings: Settings) -> None:
    send(settings, topic(settings, "feed.requested"), b'{"weeks": [1]}')
    document = json.loads(applied("tail", "feed.requested", "--no-follow", "--json").stdout)
    assert document["run"] is not None
    assert document["id"] is None
    assert (document["type"], document["partition"], document["offset"]) == ("feed.requested", 0, 0)


def test_tail_keeps_one_line_an_event_whatever_its_bytes(applied: Call, settings: Settings) -> None:
    for value in (b'{\n"a": 1\n}', b"no\njson", b"\xff\n"):
        send(settings, topic(settings, "feed.requested"), value)
    lines = applied("tail", "feed.requested", "--no-follow").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"a": 1}, "no\njson", "\\xff\n"]


def test_tail_chooses_by_number_key_run_and_time(applied: Call, settings: Settings) -> None:
    to = topic(settings, "line.priced")
    for n in range(12):
        send(
            settings, to, b'{"n":%d}' % n, key=b"%d" % (n % 2), partition=n % 4, timestamp_ms=n + 1
        )

    def numbers(*words: str) -> list[int]:
        lines = applied("tail", "line.priced", *words).stdout.splitlines()
        return [json.loads(line)["n"] for line in lines]

    assert numbers("-n", "3") == [9, 10, 11]
    assert numbers("-n", "3", "--key", "0") == [6, 8, 10]
    assert sorted(numbers("--key", "0", "--no-follow")) == [0, 2, 4, 6, 8, 10]
    assert sorted(numbers("--since", "1970-01-01T00:00:00.011")) == [10, 11]
    run = json.loads(applied("tail", "line.priced", "-n", "1", "--json").stdout)["run"]
    assert numbers("--run", run) == [11]


def test_tail_finds_the_last_behind_what_was_aborted(applied: Call, settings: Settings) -> None:
    """Aborted records take offsets: there are fewer events than offsets."""
    to = topic(settings, "feed.requested")
    send(settings, to, b'{"n":0}')

    async def aborted() -> None:
        lane = settings.names.lane_transactional_id("order-lines", "aborts", 0)
        writer = make_producer(settings, transactional_id=lane)
        async with open_client(writer, settings) as client:
            await client.begin_transaction()
            for _ in range(20):
                await client.send_and_wait(to, b'{"n":1}')
            await client.abort_transaction()

    asyncio.run(aborted())
    assert applied("tail", "feed.requested", "-n", "2").stdout == '{"n":0}\n'


def test_what_tail_saves_can_be_triggered_again(
    applied: Call, settings: Settings, folder: Path
) -> None:
    file, to = folder / "events.jsonl", topic(settings, "feed.requested")
    traced = [("traceparent", b"00-1-2-01")]
    send(settings, to, b'{"weeks": [1.50]}', key=b"k", headers=traced)
    send(settings, to, b"no json")
    saved = applied("tail", "feed.requested", "-n", "2", "--save", str(file))
    assert "saved 1 event to" in saved.stderr
    assert "left out 1 record that" in saved.stderr
    assert file.read_text() == (
        '{"type":"feed.requested","key":"k","data":{"weeks":[1.50]},'
        '"headers":{"traceparent":"00-1-2-01"}}\n'
    )
    file.write_text(file.read_text().replace("1.50", "2"))
    published = json.loads(applied("trigger", "--file", str(file), "--json").stdout)
    assert [each["offset"] for each in published] == [2]
    line = json.loads(applied("tail", "feed.requested", "-n", "1", "--save", "-").stdout)
    assert line == json.loads(file.read_text())
    refused = file.read_text() + '{"type": "feed.requested", "data": {}}'
    file.write_text(refused)
    assert "plan would refuse" in one_line(applied("trigger", "--file", str(file)))
    assert len(applied("tail", "feed.requested", "--no-follow").stdout.splitlines()) == 3


def test_a_dead_letter_says_why_and_where_it_stood(applied: Call, settings: Settings) -> None:
    class Dead:
        topic = settings.names.event_topic("order-lines", "line.ingested")
        partition, offset, timestamp = 3, 17, 0
        key, value, headers = b"7", b'{"week":1}', [("ce_runid", b"forged")]

    death = FailureAccount("validate", "order-lines@1", "abc", "Reject", "nothing was sold")
    written = build_dead_letter(Dead(), death, largest=10**6)
    dead = settings.names.dead_topic("order-lines", "validate")
    headers = decode_headers(written.headers)
    send(settings, dead, written.value or b"", key=written.key, headers=headers)
    plain = json.loads(applied("tail", "--dead", "validate", "--no-follow").stdout)
    assert plain == {"why": "Reject: nothing was sold", "data": {"week": 1}}
    document = json.loads(applied("tail", "--dead", "validate", "--no-follow", "--json").stdout)
    assert document["dead"]["message"] == "nothing was sold"
    assert (document["type"], document["dead"]["partition"], document["dead"]["offset"]) == (
        "line.ingested", 3, 17,
    )  # fmt: skip
    assert document["run"] not in (None, "forged")  # it is no result of ours: the run is its own


def test_status_shows_what_waits(applied: Call) -> None:
    applied("trigger", "feed.requested", "--data", '{"weeks": [1]}')
    status = json.loads(applied("status", "--json").stdout)
    assert status["version"] == "order-lines@1"
    (plan,) = status["stages"]["plan"]
    assert (plan["committed"], plan["end"], plan["lag"]) == (0, 1, 1)
    message = applied("status").stdout
    assert "plan" in message
    assert "the ledger is not running" in message
    assert "no worker is running for any stage: farandole" in message
    assert set(status["workers"].values()) == {0}
    assert not status["publishing"]
    assert (status["ledger"]["members"], status["ledger"]["behind"]) == (0, 0)


def test_status_names_readers_whose_work_no_books_count(applied: Call, settings: Settings) -> None:
    """Such a program may be a stage that nobody has declared: the runs complete without it."""
    billing, archive = (f"{settings.names.prefix}{name}" for name in ("my.billing", "archive"))

    async def read(group: str, event_type: str) -> None:
        async with open_client(make_consumer(settings, group=group), settings) as client:
            partition = TopicPartition(topic(settings, event_type), 1)
            client.assign([partition])
            await client.commit({partition: 0})

    asyncio.run(read(billing, "coupon.exceeded"))
    asyncio.run(read(archive, "line.priced"))  # which two stages read: runs wait for those
    status = json.loads(applied("status", "--json").stdout)
    assert status["uncounted_readers"] == [
        {"event": "coupon.exceeded", "group": billing, "members": 0}
    ]
    assert f"the group {billing} (it has no member now) reads coupon.exceeded" in (
        applied("status").stdout
    )


def test_status_names_a_publication_that_does_not_end(applied: Call, settings: Settings) -> None:
    async def die_while_publishing() -> None:
        client = make_producer(
            settings, transactional_id=f"{settings.namespace}.router", transaction_timeout_ms=60_000
        )
        await client.start()
        await client.begin_transaction()
        await client.send_and_wait(settings.names.topology_topic, b"{}", key=b"order-lines@2")
        await force_close_client(client)

    asyncio.run(die_while_publishing())
    assert "a version is being published" in applied("status").stdout
    status = json.loads(applied("status", "--json").stdout)
    assert (status["version"], status["publishing"]) == ("order-lines@1", True)


def die(settings: Settings, stage: str, letters: int) -> None:
    """Dead letters, of one transaction: its marker takes an offset too."""
    to = settings.names.dead_topic("order-lines", stage)

    async def died() -> None:
        lane = settings.names.lane_transactional_id("order-lines", "deaths", 0)
        writer = make_producer(settings, transactional_id=lane)
        async with open_client(writer, settings) as client, client.transaction():
            for _ in range(letters):
                await client.send(to, b"{}")

    asyncio.run(died())


def test_status_counts_what_died(
    applied: Call, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    die(settings, "validate", 3)
    document = json.loads(applied("status", "--json").stdout)["dead"]
    assert document["validate"] == {"count": 3, "more": False}
    assert document["plan"] == {"count": 0, "more": False}
    monkeypatch.setattr(open_letter_counts, "MAX_COUNTED_LETTERS", 2)
    head, *rows = applied("status").stdout.splitlines()[3:]
    assert head.split() == ["stage", "input", "lag", "waits", "dead", "by", "partition"]
    (validate,) = [row.split() for row in rows if row.startswith("validate")]
    assert validate[:5] == ["validate", "line.ingested", "0", "0", "2+"]


def test_status_shows_a_stage_that_drains_under_an_older_version(
    applied: Call, folder: Path
) -> None:
    file = folder / "topology.yaml"
    applied("trigger", "line.priced", "--data", "{}", "--force")
    renamed = "  load2:\n    run: stages.order_lines.load:load\n"
    file.write_text(file.read_text().replace("  load:\n", renamed))
    assert applied("apply", "--allow", "unread").exit_code == 0
    document = json.loads(applied("status", "--json").stdout)
    assert "load" not in document["stages"]
    assert sum(each["lag"] for each in document["draining"]["load"]) >= 1
    (row,) = [r for r in applied("status").stdout.splitlines() if r.startswith("load (draining)")]
    assert "line.priced" in row


def test_a_stage_that_has_nothing_left_is_not_shown(applied: Call, folder: Path) -> None:
    file = folder / "topology.yaml"
    renamed = "  load2:\n    run: stages.order_lines.load:load\n"
    file.write_text(file.read_text().replace("  load:\n", renamed))
    assert applied("apply").exit_code == 0
    document = json.loads(applied("status", "--json").stdout)
    assert (document["version"], document["draining"]) == ("order-lines@2", {})


# -- seek


def committed(applied: Call, stage: str) -> list[int | None]:
    status = json.loads(applied("status", "--json").stdout)
    return [each["committed"] for each in status["stages"][stage]]


@pytest.fixture
def lose(settings: Settings) -> Callable[[str, str, int], None]:
    """Make a stage's offset of one partition one that its topic does not have."""

    def lose(stage: str, event_type: str, partition: int) -> None:
        async def lost() -> None:
            group = settings.names.stage_group("order-lines", stage)
            tp = TopicPartition(topic(settings, event_type), partition)
            async with open_client(make_consumer(settings, group=group), settings) as client:
                client.assign([tp])
                await client.commit({tp: 999})

        asyncio.run(lost())

    return lose


@contextmanager
def at_work(settings: Settings, stage: str) -> Iterator[None]:
    """A living member of a stage's group, that does nothing."""
    group = settings.names.stage_group("order-lines", stage)
    # Its loop stands still while the test goes on, so it sends no heartbeats.
    settings = settings.model_copy(update={"session_timeout": 300.0})

    @asynccontextmanager
    async def member() -> AsyncIterator[AIOKafkaConsumer]:
        async with open_client(make_consumer(settings, group=group), settings) as client:
            client.subscribe([topic(settings, "line.ingested")])
            async with asyncio.timeout(180):
                while not client.assignment():
                    await asyncio.sleep(0.01)
            yield client

    with asyncio.Runner() as runner:
        joined = member()
        runner.run(joined.__aenter__())
        try:
            yield
        finally:
            runner.run(joined.__aexit__(None, None, None))


def test_nothing_lost_means_nothing_moved(unchanged: Call) -> None:
    message = one_line(unchanged("seek", "validate", "--to", "latest"))
    assert "no offset of validate is lost" in message


def test_a_lost_offset_is_moved_and_no_other(
    applied: Call, lose: Callable[[str, str, int], None]
) -> None:
    lose("validate", "line.ingested", 2)
    document = json.loads(applied("seek", "validate", "--to", "earliest", "--json").stdout)
    assert document == [
        {"event": "line.ingested", "partition": 2, "from": 999, "to": 0, "lost": True}
    ]
    assert committed(applied, "validate") == [0, 0, 0, 0]


def test_a_lost_offset_of_the_retry_topic_is_moved_to_its_end(
    applied: Call, lose: Callable[[str, str, int], None]
) -> None:
    lose("validate", "validate.retry", 1)
    document = json.loads(applied("seek", "validate", "--to", "earliest", "--json").stdout)
    assert document == [{"event": "retry", "partition": 1, "from": 999, "to": 0, "lost": True}]
    assert "no offset of validate is lost" in one_line(
        applied("seek", "validate", "--to", "latest")
    )


def test_a_lost_offset_is_moved_while_workers_live(
    applied: Call, settings: Settings, lose: Callable[[str, str, int], None]
) -> None:
    lose("validate", "line.ingested", 2)
    with at_work(settings, "validate"):
        result = applied("seek", "validate", "--to", "latest")
    assert result.exit_code == 0, result.output
    assert committed(applied, "validate") == [0, 0, 0, 0]


def test_a_sound_offset_is_not_moved_while_workers_live(applied: Call, settings: Settings) -> None:
    applied("trigger", "line.ingested", "--data", "{}", "--force")
    with at_work(settings, "validate"):
        message = one_line(applied("seek", "validate", "--to", "latest", "--all"))
    assert "workers of validate are alive" in message
    assert committed(applied, "validate") == [0, 0, 0, 0]


def test_a_sound_offset_is_moved_once_workers_are_gone(applied: Call) -> None:
    applied("trigger", "feed.requested", "--data", '{"weeks": [1]}')
    result = applied("seek", "plan", "--to", "1", "--partition", "0")
    assert result.stdout == "plan goes on in feed.requested/0 at 1 (was 0: 1 offsets skipped)\n"
    assert committed(applied, "plan") == [1]


def test_an_offset_that_the_topic_does_not_have_is_refused(unchanged: Call) -> None:
    message = one_line(unchanged("seek", "plan", "--to", "5", "--partition", "0"))
    assert "has offsets from 0 to 0, not 5" in message


def test_several_partitions_cannot_go_to_one_offset(unchanged: Call) -> None:
    message = one_line(unchanged("seek", "validate", "--to", "0", "--all"))
    assert "choose with --partition" in message
