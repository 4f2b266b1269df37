"""Does a shadow change nothing on a real Kafka, although workers are killed and candidates exit?"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import orjson
import pytest

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.events.control_documents import parse_control
from farandole.events.shadow_counts import ShadowCounts, summed_counts
from farandole.events.switch_document import EndSwitchDocument, SwitchDocument
from farandole.operations.control.control_publisher import publish_control
from tests.books.clean import assert_clean, until
from tests.cli.conftest import environment
from tests.worker.test_retry_queue_live import (
    at_work,
    folder,
    give,
    put,
    records,
)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
__all__ = ["folder"]

EVENTS = 600
LATER = 3
HOPELESS = [n for n in range(EVENTS) if n % 101 == 50]


def test_a_shadow_emits_nothing_and_counts_each_event_although_workers_are_killed(
    settings: Settings, folder: Path, unset: None
) -> None:
    number, counts = asyncio.run(shadowed(settings, folder))
    done = [orjson.loads(r.value or b"") for r in asyncio.run(records(settings, "done"))]
    assert sorted(e["n"] for e in done) == [n for n in range(EVENTS + LATER) if n not in HOPELESS]
    assert {e["of"] for e in done} == {"left", "right"}
    assert len(asyncio.run(records(settings, "work.dead"))) == len(HOPELESS)
    assert_clean(settings, folder)
    assert number == counts.known == EVENTS
    assert 0 < counts.candidate.calls <= EVENTS
    assert set(counts.candidate.paths) == {"done: of"}
    assert 0 < counts.candidate.differing <= EVENTS // 5 + 1
    shown = json.loads(asyncio.run(reported(settings, folder)))["stages"][0]["sections"]["shadow"]
    # Of the switch that is over; an event of another lane may have come after its end.
    assert 0 < shown["chosen"] <= LATER
    assert shown["compared"] == 0
    assert shown["run"] == "stages.parked.candidates:leaves"
    (sample,) = counts.samples
    assert (sample.path, sample.candidate) == ("done: of", '"elsewhere"')


async def shadowed(settings: Settings, folder: Path) -> tuple[int, ShadowCounts]:
    version = await put(settings, folder)
    await switch(settings, "other")

    async def is_counted() -> bool:
        number, found = await counted(settings)
        return number == found.known == EVENTS

    async with at_work(settings, folder) as (supervisor, at_rest):

        async def ready() -> bool:
            return supervisor.ready()

        for part in range(2):
            await until(ready, "a worker is missing")
            await give(settings, version, part * EVENTS // 2, EVENTS // 2)

            async def some_are_compared() -> bool:
                return (await counted(settings))[1].candidate.calls > 0

            await until(some_are_compared, "nothing is compared")
            if not part:
                pid = next(iter(supervisor.pids().values()))
                os.kill(pid, signal.SIGKILL)
        await until(at_rest, "something is left")
        await until(is_counted, "some events are in no count")
        found = await counted(settings)
        # The next candidate ends its process: its switch is over, and the stage goes on.
        await switch(settings, "leaves")
        await give(settings, version, EVENTS, LATER)

        async def is_over() -> bool:
            return await end_of_switch(settings) is not None

        await until(is_over, "the switch is not ended")
        await until(at_rest, "something is left")
    end = await end_of_switch(settings)
    assert end is not None
    assert "exit code 5" in end.why
    return found


async def switch(settings: Settings, function: str) -> None:
    run = f"stages.parked.candidates:{function}"
    await publish_control(
        settings, SwitchDocument(pipeline="parked", stage="work", mode="shadow", run=run)
    )


async def end_of_switch(settings: Settings) -> EndSwitchDocument | None:
    table = await read_table(settings, settings.names.control_topic)
    ends = {key: value for key, value in table.items() if key.startswith(b"end-switch/")}
    for key, value in ends.items():
        document = parse_control(value)
        assert isinstance(document, EndSwitchDocument)
        assert key == b"end-switch/parked/work/%d" % document.generation
        return document
    return None


async def reported(settings: Settings, folder: Path) -> bytes:
    command = ["-m", "farandole", "-C", str(folder), "switches", "work", "--json"]
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        env={**os.environ, **environment(settings)},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await child.communicate()
    return output


async def counted(settings: Settings) -> tuple[int, ShadowCounts]:
    rows: dict[tuple[int, bytes], bytes] = {}
    async for some in scan(settings, [settings.names.state_topic("parked", "work")]):
        for row in some:
            rows.pop((row.partition, row.key or b""), None)
            if row.value is not None:
                rows[row.partition, row.key or b""] = row.value
    return summed_counts([(key, value) for (_, key), value in rows.items()], lambda _: True)
