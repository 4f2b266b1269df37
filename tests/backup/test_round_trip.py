"""Does an installation go on where it was, on a cluster that knows only the backup?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.removal_requests import GroupInUseError
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.broker.topic_spec import TopicSpec
from farandole.catalog.topology_table import read_topology
from farandole.cli.context import CliContext
from farandole.events.control_documents import PauseDocument, ResumeDocument
from farandole.events.schedule_row import schedule_key
from farandole.operations.backup.backup import BackupRequest, back_up
from farandole.operations.backup.restore import RestoreRequest, restore
from farandole.operations.control.control_publisher import publish_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.dead_letters.discard import DiscardRequest, discard_letters
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.open_letter_counts import count_open_letters
from farandole.operations.errors import ConflictError
from farandole.operations.runs.run_rows import read_run_records
from tests.books.clean import assert_clean, books_read
from tests.cli.worked import STAGES
from tests.conftest import private_namespace
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.operations.test_deletion import write_schedule
from tests.rewiring.edits import PLAIN
from tests.rewiring.test_live import at_rest, at_work, edit

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

GOOD, BAD = b'{"n": 1, "household": 3}', b'{"n": 1}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "stages").symlink_to(STAGES)
    return tmp_path


def installation(settings: Settings, folder: Path) -> Any:
    return CliContext(folder).installation_of(settings)


async def feed(settings: Settings, *values: bytes) -> None:
    topic = settings.names.event_topic("rewired", "asked")
    async with open_client(make_producer(settings), settings) as writer:
        for value in values:
            await writer.send_and_wait(topic, value, partition=0)


async def work(settings: Settings, folder: Path, *values: bytes) -> None:
    """Let real workers settle these roots, and the bookkeeper read what they did."""
    async with at_work(settings, folder, 1):
        await feed(settings, *values)
        await at_rest(settings)
    await books_read(settings)


async def statuses(settings: Settings) -> list[str]:
    rows: dict[str, str] = {}
    async for batch in read_run_records(settings):
        rows |= {each.run: each.row["status"] for each in batch if each.row is not None}
    return sorted(rows.values())


async def open_letters(settings: Settings) -> int:
    async with ClusterAdmin.open(settings) as admin:
        found = await count_open_letters(admin, settings, "rewired", ["take"])
    return found["take"].count


async def prepare(settings: Settings, folder: Path, file: Path) -> None:
    """An installation with complete runs, settled and open letters, and a pause; then a backup."""
    await edit(settings, folder, PLAIN)
    await work(settings, folder, *[GOOD] * 6, *[BAD] * 3)
    place = installation(settings, folder)
    discarded = DiscardRequest(LetterSelection({"take": frozenset({0})}), "a test", "ann")
    first = await discard_letters(place, discarded)
    assert first.to_data()
    await write_schedule(settings, "rewired")
    for by in ("ann", "bob"):
        await publish_control(settings, PauseDocument(pipeline="rewired", stage="give", by=by))
    result = await back_up(place, BackupRequest(file))
    assert (result.pipelines, result.working) == (["rewired"], [])


async def assert_restored(settings: Settings, letters: int) -> None:
    assert await statuses(settings) == ["completed"] * 6 + ["failed"] * 3
    assert await open_letters(settings) == letters
    names = settings.names
    assert [*await read_table(settings, names.schedules_topic)] == [schedule_key("rewired", "s")]
    assert len(await read_table(settings, names.firings_topic)) == 1
    controls = await read_control_state(settings)
    assert [(key, each.generation) for key, each in controls.items()] == [
        (b"pause/rewired/give", 1)
    ]


def test_on_an_empty_cluster_it_begins_anew_with_its_past(
    settings: Settings, folder: Path, delete_topics: Callable[[str], None], kafka: Settings
) -> None:
    file, other = folder / "backup.gz", private_namespace(kafka)
    with bookkeeper(settings):
        asyncio.run(prepare(settings, folder, file))
    letters = asyncio.run(open_letters(settings))

    async def restored() -> None:
        place = installation(other, folder)
        result = await restore(place, RestoreRequest(file))
        assert "rewired.asked" in result.fresh
        assert result.kept == []
        await assert_restored(other, letters)
        with pytest.raises(ConflictError, match="has an installation already"):
            await restore(place, RestoreRequest(file))
        await edit(other, folder, PLAIN)
        await publish_control(other, ResumeDocument(pipeline="rewired", stage="give"))

    asyncio.run(restored())
    with bookkeeper(other):
        asyncio.run(work(other, folder, *[GOOD] * 4))
    assert asyncio.run(statuses(other)) == ["completed"] * 10 + ["failed"] * 3
    delete_topics(other.names.prefix)


async def lose_all_but_data(settings: Settings) -> None:
    """As where a mirror has kept the topics of events and the ledger, with their offsets."""
    names = settings.names
    data = ("asked", "taken", "made", "given")
    kept = {names.event_topic("rewired", each) for each in data} | {
        names.ledger_topic, names.alerts_topic,
    }  # fmt: skip
    async with ClusterAdmin.open(settings) as admin:
        ours = {topic for topic in await admin.all_topics() if topic.startswith(names.prefix)}
        await admin.delete_topics(ours - kept)
        for group in await admin.groups():
            if group.startswith(names.prefix):
                await until_deleted(admin, group)


async def until_deleted(admin: ClusterAdmin, group: str) -> None:
    """Delete a group once the sessions of its members, which were killed, have ended."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await admin.delete_group(group)
            except GroupInUseError:
                await asyncio.sleep(0.1)


def test_where_the_data_were_mirrored_with_their_offsets_it_goes_on_exactly(
    settings: Settings, folder: Path
) -> None:
    file = folder / "backup.gz"
    with bookkeeper(settings):
        asyncio.run(prepare(settings, folder, file))
    letters = asyncio.run(open_letters(settings))

    async def restored() -> None:
        await lose_all_but_data(settings)
        await feed(settings, GOOD, GOOD)  # after the backup, and before the restore
        result = await restore(installation(settings, folder), RestoreRequest(file))
        assert "rewired.asked" in result.kept
        assert result.fresh == []
        await assert_restored(settings, letters)
        await publish_control(settings, ResumeDocument(pipeline="rewired", stage="give"))

    asyncio.run(restored())
    with bookkeeper(settings):
        asyncio.run(work(settings, folder, GOOD))
        assert asyncio.run(statuses(settings)) == ["completed"] * 9 + ["failed"] * 3
        assert_clean(settings, folder)


async def test_other_records_at_the_saved_offsets_are_refused(
    settings: Settings, folder: Path
) -> None:
    file, place = folder / "backup.gz", installation(settings, folder)
    await edit(settings, folder, PLAIN)
    await feed(settings, GOOD, GOOD)
    await back_up(place, BackupRequest(file))
    await lose_all_but_data(settings)
    topic = settings.names.event_topic("rewired", "asked")
    async with ClusterAdmin.open(settings) as admin:
        await admin.delete_topics([topic])
        await admin.create_topics({topic: TopicSpec(3)})
    await feed(settings, BAD, BAD, BAD)
    with pytest.raises(ConflictError, match=f"{topic}/0 does not hold the records") as error:
        await restore(place, RestoreRequest(file))
    assert error.value.code == "offsets_differ"
    assert (await read_topology(settings)).installation is None


async def test_a_topic_that_holds_its_records_only_in_part_is_refused(
    settings: Settings, folder: Path
) -> None:
    """Read from its beginning, what it holds would be worked again."""
    file, place = folder / "backup.gz", installation(settings, folder)
    await edit(settings, folder, PLAIN)
    topic = settings.names.event_topic("rewired", "asked")

    async def write(*partitions: int) -> None:
        async with open_client(make_producer(settings), settings) as writer:
            for partition in partitions:
                await writer.send_and_wait(topic, GOOD, partition=partition, timestamp_ms=1000)

    await write(0, 1)
    await back_up(place, BackupRequest(file))
    await lose_all_but_data(settings)
    async with ClusterAdmin.open(settings) as admin:
        await admin.delete_topics([topic])
        await admin.create_topics({topic: TopicSpec(3)})
    await write(0)
    with pytest.raises(ConflictError, match=f"{topic}/0 holds the records of the backup") as error:
        await restore(place, RestoreRequest(file))
    assert error.value.code == "offsets_differ"
    assert (await read_topology(settings)).installation is None
