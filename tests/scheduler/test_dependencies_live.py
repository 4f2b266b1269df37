"""Does a schedule on a real Kafka fire once for each run and file, whoever is killed?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.events.root_record import new_root
from farandole.events.topology_version import Version
from farandole.operations.events.root_publisher import publish_root
from farandole.router.version_publisher import publish_version
from tests.books.clean import until
from tests.cli.worked import STAGES
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.edits import PLAIN, text
from tests.rewiring.test_live import at_work, put
from tests.router.made import derived
from tests.scheduler.test_scheduler_live import Clock, firings, ids, scheduler, triggers

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

REPORTS = """\
pipeline: p
package: work
events: {{asked: {{partitions: 1}}, told: {{partitions: 1}}}}
stages:
  read: {{subscribes: asked}}
  hear: {{subscribes: told}}
schedules:
  after-run: {{after: {{pipeline: rewired}}, triggers: told, overlap: allow-all}}
  after-file: {{after: {{file: {folder}/*.csv, every: 1s}}, triggers: asked, overlap: allow-all}}
"""


async def run_of(settings: Settings, version: Version, number: int) -> str:
    """Trigger a run of the pipeline for which the other one waits, and return its id."""
    data = b'{"n": %d, "household": 3}' % number
    return (await publish_root(settings, version, new_root(version, "asked", data))).run


async def until_fired(settings: Settings, schedule: str, times: int) -> None:
    async def fired() -> bool:
        return len(await firings(settings, schedule)) >= times

    await until(fired, f"{schedule} has not fired {times} times")


async def test_a_run_and_a_file_fire_once_whatever_scheduler_sees_them(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "stages").symlink_to(STAGES)
    incoming = tmp_path / "in"
    incoming.mkdir()
    orders = await put(settings, tmp_path, text(PLAIN))
    await publish_version(settings, derived(settings.names, REPORTS.format(folder=incoming)), "ann")
    clock = Clock()
    with bookkeeper(settings):
        async with at_work(settings, tmp_path, 1):
            async with scheduler(settings, clock) as first:
                runs = [await run_of(settings, orders, 1)]
                (incoming / "a.csv").write_text("1")
                first.cancel()
                await asyncio.wait({first})
            async with scheduler(settings, clock):
                await until_fired(settings, "after-run", 1)
                await until_fired(settings, "after-file", 1)
            async with scheduler(settings, clock):
                runs.append(await run_of(settings, orders, 2))
                (incoming / "b.csv").write_text("1")
                await until_fired(settings, "after-run", 2)
                await until_fired(settings, "after-file", 2)
    names = settings.names
    told = ids(await triggers(settings, names.event_topic("p", "told")))
    assert sorted(each.partition("#")[2] for each in told) == sorted(runs)
    assert len(await triggers(settings, names.event_topic("p", "asked"))) == 2
    assert {each.outcome for each in await firings(settings, "after-file")} == {"fired"}
