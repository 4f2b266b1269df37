"""Can what was unusual be taken as normal, or ignored, while a lane compares runs?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.quality_history import HistoryRow, history_key
from farandole.events.topology_version import Version
from farandole.ledger.quality_lane import JUDGED_PREFIX
from tests.web.api import Api, running_console
from tests.web.compared_runs import RUNS, compared_runs, end, row

pytestmark = pytest.mark.kafka


@pytest.fixture
async def version(settings: Settings, tmp_path: Path) -> AsyncIterator[Version]:
    async with compared_runs(settings, tmp_path) as published:
        yield published


@pytest.fixture
async def api(settings: Settings, tmp_path: Path, version: Version) -> AsyncIterator[Api]:
    async with running_console(settings, tmp_path) as found:
        yield found


async def anomalies(api: Api, count: int) -> list[Any]:
    """The newest first, once there are so many."""
    async with asyncio.timeout(180):
        while True:
            found = (await api.get("/quality/scores")).data["anomalies"]
            if len(found) >= count:
                return list(found)
            await asyncio.sleep(0.2)


async def judged(settings: Settings, last: HistoryRow) -> None:
    """Wait until the lane has judged a run."""
    async with asyncio.timeout(180):
        while True:
            state = await read_table(settings, settings.names.quality_state_topic)
            if state.get(JUDGED_PREFIX + b"rewired") == history_key(last):
                return
            await asyncio.sleep(0.2)


async def test_the_unusual_is_taken_as_normal_or_not_told(
    api: Api, settings: Settings, version: Version
) -> None:
    (first,) = await anomalies(api, 1)
    assert (first["edge"], first["statistic"], first["value"]) == ("taken", "rows", 5_000)
    assert first["state"] == "open"
    shown = (await api.get(f"/quality/rewired/anomalies/{first['id'][:8]}")).data
    assert [each["value"] for each in shown["points"]][-2:] == [1_040, 5_000]
    assert (shown["usual"]["run"], shown["samples"]) == (f"run{RUNS - 1}", ["taken/0/17"])
    assert (await api.get("/quality/rewired/anomalies/abc")).status == 404
    path = f"/quality/rewired/anomalies/{first['id'][:8]}/expect"
    assert (await api.post(path, {"reason": " "})).status == 400
    taken = await api.post(path, {"reason": "a sale"})
    assert (taken.status, taken.data["taken"]) == (200, True)
    assert (await api.post(path, {"reason": "again"})).data["code"] == "already_expected"
    (known,) = await anomalies(api, 1)
    assert (known["state"], known["reason"]) == ("expected", "a sale")

    wrong = await api.post("/quality/rewired/ignored", {"edge": "takn", "reason": "x"})
    assert (wrong.status, wrong.data["code"]) == (404, "unknown_numbers")
    assert "did you mean 'taken'?" in wrong.data["detail"]
    numbers = {"edge": "taken", "statistic": "rows"}
    told = await api.post("/quality/rewired/ignored", {**numbers, "reason": "a test till"})
    assert told.data["ignored"] is True
    (ignored,) = (await api.get("/quality/scores")).data["ignored"]
    assert (ignored["statistic"], ignored["reason"]) == ("rows", "a test till")
    controls = (await api.get("/control")).data["rows"]
    assert [(each["kind"], each["target"]) for each in controls] == [("ignore", "rows of taken")]
    await end(settings, version, [row(RUNS + 1, 40_000)])
    await judged(settings, row(RUNS + 1, 40_000))
    assert [each["id"] for each in await anomalies(api, 1)] == [first["id"]]

    again = await api.ask("DELETE", "/quality/rewired/ignored", json=numbers)
    assert again.data["ignored"] is False
    twice = await api.ask("DELETE", "/quality/rewired/ignored", json=numbers)
    assert (twice.status, twice.data["code"]) == (409, "not_ignored")

    actions = (await api.get("/actions?limit=10")).data["actions"]
    assert [(each["what"], each["target"], each["result"]) for each in reversed(actions)] == [
        ("quality expect", first["id"][:8], "refused"),
        ("quality expect", first["id"], "ok"),
        ("quality expect", first["id"], "refused"),
        ("quality ignore", "takn", "refused"),
        ("quality ignore", "rows of taken", "ok"),
        ("quality ignore", "rows of taken", "ok"),
        ("quality ignore", "rows of taken", "refused"),
    ]
