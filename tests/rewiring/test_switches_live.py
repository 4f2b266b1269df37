"""Do order and books hold on a real Kafka while stages are switched and workers are killed?"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import orjson
import pytest

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.catalog.published_versions import read_versions
from farandole.events.run_row import parse_run_row
from farandole.events.switch_document import Mode, SwitchDocument
from farandole.operations.control.control_publisher import publish_control
from farandole.services import restart_policy
from tests.books.clean import assert_clean, books_read
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.edits import FUNCTION, PLAIN, ROOT_PARTITIONS, text
from tests.rewiring.test_live import (
    at_rest,
    at_work,
    everything,
    feeding,
    fresh,
    killed,
    until,
)

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(1800)]

OFTEN_LATE = """
from pydantic import BaseModel

from farandole import Context


class Item(BaseModel):
    n: int
    household: int
    path: list[str] = []


def step(item: Item, context: Context) -> Item:
    if context.attempt < 1 + item.n % 5 // 3:
        raise ConnectionError("not yet")
    return item.model_copy(update={"path": [*item.path, context.stage]})
"""
PATIENT = "retry: {attempts: 100, backoff: 50ms, max_backoff: 200ms, in_place: 0ms}"


def test_switched_stages_lose_double_and_overtake_nothing(
    settings: Settings, tmp_path: Path
) -> None:
    bypassed, handled = asyncio.run(survived(settings, tmp_path, rounds=3, seed=1))
    assert bypassed
    assert handled
    assert_clean(settings, tmp_path)


@pytest.mark.soak
def test_many_switches_lose_double_and_overtake_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Killed before it has settled an event: no reason to put it aside.
    monkeypatch.setattr(restart_policy, "QUARANTINE_AFTER", 10**6)
    bypassed, handled = asyncio.run(survived(settings, tmp_path, rounds=40, seed=2))
    assert bypassed > 1000
    assert handled > 1000
    assert_clean(settings, tmp_path)


async def survived(settings: Settings, folder: Path, *, rounds: int, seed: int) -> tuple[int, int]:
    """Switch stages at random under load, kill a worker in every second round, and return how many
    events were bypassed and how many handled."""
    die = random.Random(seed)
    (folder / "often_late.py").write_text(OFTEN_LATE)
    written = text(PLAIN).replace(FUNCTION, "often_late:step")
    (folder / "topology.yaml").write_text(
        written.replace("defaults: {", f"defaults: {{{PATIENT}, ")
    )
    first = await fresh(settings, folder / "topology.yaml")
    stages = [*PLAIN]

    async def switch(stage: str, mode: Mode) -> None:
        await publish_control(settings, SwitchDocument(pipeline="rewired", stage=stage, mode=mode))

    with bookkeeper(settings):
        async with at_work(settings, folder, processes=2) as supervisor:
            async with feeding(settings, first.events["asked"].topic, ROOT_PARTITIONS) as given:
                for number in range(rounds):
                    before = given[0]
                    await until(lambda b=before: given[0] > b + 60, "no root was given")  # type: ignore[misc]
                    # One that is killed again and again before it has done anything is put aside.
                    await until(supervisor.ready, "a worker is missing")
                    mode: Mode = die.choice(("bypass", "bypass", "on", "on", "hold"))
                    await switch(die.choice(stages), mode)
                    if number % 2:
                        killed(supervisor, die)
            for stage in stages:
                await switch(stage, die.choice(("on", "bypass")))
            await at_rest(settings)
            await until_nothing_waits(settings, given[0])
        await books_read(settings)
    records, letters = await everything(settings)
    assert letters == []
    events = (await read_versions(settings, "rewired"))[1].events
    results = [orjson.loads(r.value or b"") for r in records if r.topic == events["given"].topic]
    assert Counter(each["n"] for each in results) == Counter(range(given[0]))
    for household in range(17):
        of_key = [each["n"] for each in results if each["household"] == household]
        assert of_key == sorted(of_key), household
    rows = (await read_table(settings, settings.names.runs_topic)).values()
    edges = [edge for row in map(parse_run_row, rows) if row for edge in row["edges"].values()]
    bypassed = sum(edge["bypassed"] for edge in edges)
    assert bypassed == sum(3 - len(each["path"]) for each in results)
    return bypassed, sum(edge["consumed"] - edge["bypassed"] for edge in edges)


async def until_nothing_waits(settings: Settings, roots: int) -> None:
    """Return when each root has its result: what is parked is in no lag."""
    given = (await read_versions(settings, "rewired"))[1].events["given"].topic
    async with asyncio.timeout(120):
        while True:
            records, _ = await everything(settings)
            if sum(record.topic == given for record in records) >= roots:
                return
            await asyncio.sleep(0.2)
