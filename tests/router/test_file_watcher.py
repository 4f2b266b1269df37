"""Does a router apply its file at each save, and only what is safe?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from farandole.broker.broker_errors import AccessDeniedError, UnreachableError
from farandole.broker.settings import Settings
from farandole.events.topology_version import RouterReport, Version
from farandole.router.change_plan import ChangePlan
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.file_watcher import follow_files
from farandole.router.guarded_apply import apply_plan
from farandole.router.isolated_check import CheckVerdict, check_in_this_process
from farandole.router.topology_derivation import derive_from_version
from farandole.router.topology_store import current_version, published_versions_of, read_topology
from tests.router.conftest import GOOD, Folder

pytestmark = pytest.mark.kafka

SLOW = GOOD.replace("load: {", "load: {timeout: 1m, ")
BROKEN = GOOD.replace("subscribes: line.ingested", "subscribe: line.ingested")
WIDE = GOOD.replace("{key: household}", "{key: household, partitions: 8}")


@dataclass
class World:
    """The environment of a router. No test changes functions, so files are checked in this
    process."""

    settings: Settings
    folder: Path
    away: int = 0
    refusing: str = ""
    """The name of a file that Kafka refuses."""
    file: str = ""
    author: str = "the router"
    recorded: list[tuple[str, str]] = field(default_factory=list)
    """Each file that was applied, and the version in force since."""
    rested: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def code_folder(self) -> Path:
        return self.folder

    async def connect(self) -> Settings:
        if self.away:
            self.away -= 1
            raise UnreachableError("nobody is at home")
        if self.file and self.file == self.refusing:
            raise AccessDeniedError("no topic may be made")
        return self.settings

    async def check_file(self, file: Path) -> CheckVerdict:
        self.file = file.name
        return check_in_this_process(file, self.settings.names, self.folder)

    async def prepare_next_check(self) -> None:
        self.rested.set()

    async def record_applied(
        self, settings: Settings, file: Path, plan: ChangePlan, version: Version
    ) -> None:
        self.recorded.append((file.name, version.name))

    def allow_command(self, file: Path, dangers: Sequence[str]) -> str:
        return f"farandole apply {' '.join(f'--allow {d}' for d in dangers)}"

    async def handled(self, save: Callable[[], object]) -> None:
        """Save, and wait until the router has nothing left to do."""
        self.rested.clear()
        save()
        async with asyncio.timeout(60):
            await self.rested.wait()


@asynccontextmanager
async def routing(
    settings: Settings, path: Path, folder: Path | None = None, away: int = 0
) -> AsyncIterator[tuple[World, list[Any]]]:
    """A running router that has handled its files, and what it logs."""
    world, stopping = World(settings, folder or path.parent, away), asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.create_task(follow_files([path], world, stopping))
        try:
            await world.handled(lambda: None)
            yield world, logs
        finally:
            stopping.set()
            async with asyncio.timeout(60):
                await running


def named(logs: Sequence[Any], event: str) -> list[Any]:
    return [entry for entry in logs if entry["event"] == event]


async def reported(settings: Settings) -> RouterReport | None:
    return (await read_topology(settings)).reports.get("order-lines")


async def test_each_save_is_a_version(settings: Settings, folder: Folder) -> None:
    async with routing(settings, folder()) as (world, logs):
        await world.handled(lambda: folder(SLOW))
        assert [v.published_by for v in await published_versions_of(settings, "order-lines")] == [
            world.author
        ] * 2
        assert named(logs, "route.applied")[1]["changes"] == "~ load"
        assert [version for _, version in world.recorded] == ["order-lines@1", "order-lines@2"]
        assert await reported(settings) is None


async def test_a_save_that_replaces_the_file_is_noticed(settings: Settings, folder: Folder) -> None:
    file = folder()
    async with routing(settings, file) as (world, _):
        new = file.with_name(".topology.yaml.swp")

        def save() -> None:
            new.write_text(SLOW)
            new.rename(file)

        await world.handled(save)
        assert len(await published_versions_of(settings, "order-lines")) == 2


async def test_a_file_with_errors_changes_nothing_and_is_reported(
    settings: Settings, folder: Folder
) -> None:
    file = folder()
    async with routing(settings, file) as (world, logs):
        await world.handled(lambda: folder(BROKEN))
        assert len(await published_versions_of(settings, "order-lines")) == 1
        said = await reported(settings)
        assert said is not None
        assert said.findings[0].startswith(f"{file}:8:10: unknown key 'subscribe'; did you mean")
        assert named(logs, "route.refused")[0]["finding"] == said.findings[0]
        await world.handled(lambda: folder(GOOD))
        cleared = await reported(settings)
        assert cleared is not None
        assert (cleared.findings, cleared.waiting) == ((), ())


async def test_dangerous_changes_wait_for_permission(settings: Settings, folder: Folder) -> None:
    async with routing(settings, folder()) as (world, logs):
        await world.handled(lambda: folder(WIDE))
        assert len(await published_versions_of(settings, "order-lines")) == 1
        said = await reported(settings)
        assert said is not None
        assert "8 partitions" in said.waiting[0]
        assert said.waiting[1] == "to apply it: farandole apply --allow keys"
        assert named(logs, "route.waiting")[0]["allow"] == "farandole apply --allow keys"
        file = world.folder / "topology.yaml"
        derived = check_in_this_process(file, settings.names, world.folder).derived
        assert derived is not None
        await apply_plan(settings, await plan_changes(settings, derived), "ann", ["keys"])
        cleared = await reported(settings)
        assert cleared is not None
        assert cleared.waiting == ()


async def test_a_rollback_is_not_undone_by_a_router_that_starts(
    settings: Settings, folder: Folder
) -> None:
    async with routing(settings, folder()) as (world, _):
        await world.handled(lambda: folder(SLOW))
    first = (await published_versions_of(settings, "order-lines"))[0]
    back = await plan_changes(settings, derive_from_version(first, settings.names), first.version)
    await apply_plan(settings, back, "ann")
    async with routing(settings, world.folder / "topology.yaml") as (world, logs):
        newest = await current_version(settings, "order-lines")
        assert newest is not None
        assert (newest.version, newest.rollback_of) == (3, 1)
        assert "is a rollback to @1" in named(logs, "route.waiting")[0]["why"]
        await world.handled(lambda: folder(SLOW))
        assert len(await published_versions_of(settings, "order-lines")) == 4


async def test_files_of_one_pipeline_are_one_finding(settings: Settings, folder: Folder) -> None:
    file = folder()
    side = file.parent / "pipelines"
    side.mkdir()
    (side / "a.yaml").write_text(GOOD)
    (side / "b.yml").write_text(SLOW)
    async with routing(settings, side, file.parent) as (world, logs):
        (refused,) = named(logs, "route.refused")
        assert refused["finding"].startswith(f"{side / 'b.yml'}:1:11: the pipeline 'order-lines'")
        assert await published_versions_of(settings, "order-lines") == []
        text = SLOW.replace("order-lines", "others")
        await world.handled(lambda: (side / "b.yml").write_text(text))
        assert len(await published_versions_of(settings, "order-lines")) == 1
        assert len(await published_versions_of(settings, "others")) == 1
        said = await reported(settings)
        assert said is not None
        assert said.findings == ()


async def test_a_file_that_is_deleted_from_a_folder_is_gone_and_not_refused(
    settings: Settings, folder: Folder
) -> None:
    file = folder()
    side = file.parent / "pipelines"
    side.mkdir()
    (side / "a.yaml").write_text(GOOD)
    (side / "b.yml").write_text(SLOW)
    async with routing(settings, side, file.parent) as (world, logs):
        logs.clear()
        await world.handled((side / "b.yml").unlink)
        assert len(named(logs, "route.gone")) == 1
        assert named(logs, "route.refused") == []
        assert len(await published_versions_of(settings, "order-lines")) == 1


async def test_an_unreachable_kafka_is_logged_once(settings: Settings, folder: Folder) -> None:
    async with routing(settings, folder(), away=2) as (_, logs):
        assert len(named(logs, "route.retrying")) == 1
        assert len(named(logs, "route.goes_on")) == 1
        assert len(await published_versions_of(settings, "order-lines")) == 1


async def test_a_pipeline_that_kafka_refuses_does_not_stop_the_others(
    settings: Settings, folder: Folder
) -> None:
    file = folder()
    side = file.parent / "pipelines"
    side.mkdir()
    (side / "a.yaml").write_text(GOOD)
    (side / "b.yaml").write_text(GOOD.replace("order-lines", "others"))
    world, stopping = World(settings, file.parent, refusing="a.yaml"), asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.create_task(follow_files([side], world, stopping))
        try:
            async with asyncio.timeout(60):
                while not named(logs, "route.applied"):
                    await asyncio.sleep(0.05)
        finally:
            stopping.set()
            await running
    assert len(await published_versions_of(settings, "others")) == 1
    (said,) = named(logs, "route.retrying")
    assert (said["file"], said["why"]) == (str(side / "a.yaml"), "no topic may be made")


async def test_a_file_that_is_broken_from_the_start_is_reported(
    settings: Settings, folder: Folder
) -> None:
    async with routing(settings, folder(BROKEN)):
        said = await reported(settings)
        assert said is not None
        assert len(said.findings) == 1
        assert await published_versions_of(settings, "order-lines") == []


async def test_other_files_in_the_folder_are_no_save(settings: Settings, folder: Folder) -> None:
    file = folder()
    async with routing(settings, file) as (world, logs):
        file.with_name("notes.txt").write_text("nothing")
        await world.handled(lambda: folder(SLOW))
        assert len(named(logs, "route.applied")) == 2
        assert named(logs, "route.unchanged") == []
