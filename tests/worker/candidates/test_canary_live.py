"""Does the bookkeeper end a canary whose candidate fails, on a real Kafka, and is nothing lost?"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from farandole.broker.settings import Settings
from farandole.events.key_share import share_test
from farandole.events.switch_document import SwitchDocument
from farandole.operations.control.control_publisher import publish_control
from tests.books.clean import assert_clean, until
from tests.worker.candidates.test_shadow_live import end_of_switch, reported
from tests.worker.test_retry_queue_live import at_work, folder, give, letters, put, records

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]
__all__ = ["folder"]

EVENTS = 600
LATER = 100
SHARE = 0.4


def test_a_candidate_that_fails_is_ended_by_the_bookkeeper_and_nothing_is_lost(
    settings: Settings, folder: Path, unset: None
) -> None:
    generation, shown = asyncio.run(lived(settings, folder))
    done = [orjson.loads(r.value or b"") for r in asyncio.run(records(settings, "done"))]
    dead = [n for n in range(EVENTS + LATER) if n % 101 == 50]
    assert sorted(e["n"] for e in done) == sorted({*range(EVENTS + LATER)} - {*dead})
    assert len(asyncio.run(letters(settings))) == len(dead)
    is_chosen = share_test(SHARE, "work")
    by_candidate = [e for e in done if e["of"] == "elsewhere"]
    assert by_candidate
    assert all(is_chosen(b"%d" % e["household"]) for e in by_candidate)
    assert not any(e["n"] >= EVENTS for e in by_candidate)
    assert_clean(settings, folder)
    (stage,) = shown["stages"]
    report = stage["sections"]["canary"]
    assert (stage["mode"], stage["ended"]["generation"]) == ("on", generation)
    assert stage["ended"]["by"] == "the bookkeeper"
    assert report["ended"].startswith("its candidate fails more often: ")
    assert report["candidate"]["failure_share"] > 0.3 > report["stable"]["failure_share"]
    assert report["evidence"] >= report["ends_at"] == 2.0


async def lived(settings: Settings, folder: Path) -> tuple[int, Any]:
    version = await put(settings, folder)
    run = "stages.parked.candidates:fails"
    generation = await publish_control(
        settings,
        SwitchDocument(pipeline="parked", stage="work", mode="canary", run=run, share=SHARE),
    )
    async with at_work(settings, folder) as (supervisor, at_rest):

        async def ready() -> bool:
            return supervisor.ready()

        async def is_over() -> bool:
            return await end_of_switch(settings) is not None

        await until(ready, "a worker is missing")
        await give(settings, version, 0, EVENTS)
        await until(is_over, "the switch is not ended")
        await until(at_rest, "something is left")
        await give(settings, version, EVENTS, LATER)
        await until(at_rest, "something is left")
    return generation, json.loads(await reported(settings, folder))
