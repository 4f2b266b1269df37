"""Does the API tell how schedules stand, and steer them?"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from farandole.broker.settings import Settings
from tests.books.clean import until
from tests.cli.worked import STAGES
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.edits import PLAIN, text
from tests.rewiring.test_live import at_work, put
from tests.scheduler.test_scheduler_live import Clock, scheduler
from tests.web.api import Api, running_console

pytestmark = pytest.mark.kafka

SCHEDULES = """\
schedules:
  nightly:
    cron: "30 2 * * *"
    triggers: asked
    data: {n: 1, household: 3}
    exclude: [{weekdays: [sun]}]
  each-second: {every: 1s, triggers: asked, data: {n: 1, household: 3}, paused: true}
"""
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
NIGHTLY = "/schedules/rewired/nightly"


@pytest.fixture
async def api(settings: Settings, tmp_path: Path) -> AsyncIterator[Api]:
    (tmp_path / "stages").symlink_to(STAGES)
    await put(settings, tmp_path, text(PLAIN) + SCHEDULES)
    async with running_console(settings, tmp_path) as found:
        yield found


def day(time: datetime) -> str:
    return f"{time:%Y-%m-%dT00:00:00Z}"


async def calendar(api: Api, days: int = 7) -> dict[str, Any]:
    answer = await api.get(f"/schedules/calendar?start={day(TODAY)}&end={day(TODAY + days * DAY)}")
    assert answer.status == 200, answer.text
    return {each["schedule"]: each for each in answer.data["days"]}


async def test_schedules_are_listed_with_what_is_planned(api: Api) -> None:
    answer = (await api.get("/schedules")).data
    nightly, each_second = answer["schedules"]
    assert (nightly["when"], nightly["overlap"], nightly["paused"]) == ("30 2 * * *", "skip", None)
    assert len(nightly["next"]) == 5
    assert (each_second["paused"]["by_file"], answer["schedulers"]) == (True, 0)
    days = await calendar(api, 8)
    states = {each["state"] for each in days["nightly"]["marks"]}
    assert states == {"planned", "excluded"}
    assert days["each-second"]["marks"] == days["each-second"]["bands"] == []


async def test_a_calendar_of_many_planned_times_has_a_band(api: Api) -> None:
    await api.post("/schedules/rewired/each-second/resume", {})
    (band,) = (await calendar(api))["each-second"]["bands"][-1:]
    assert (band["state"], band["count"], band["end"]) == ("planned", None, day(TODAY + 7 * DAY))
    answer = await api.get(f"/schedules/calendar?start={day(TODAY)}&end={day(TODAY + 40 * DAY)}")
    assert (answer.status, answer.data["code"]) == (400, "invalid_request")


async def test_a_schedule_is_paused_until_a_time_and_resumed(api: Api) -> None:
    until_ = (datetime.now(UTC) + 3 * DAY).isoformat()
    paused = await api.post(f"{NIGHTLY}/pause", {"until": until_, "comment": "new disks"})
    assert (paused.status, paused.data["schedules"]) == (200, ["nightly"])
    state = (await api.get(NIGHTLY)).data["schedule"]
    assert (state["paused"]["comment"], state["paused"]["pipeline"]) == ("new disks", False)
    assert all(each["planned"] > until_ for each in state["next"])
    resumed = (await api.post(f"{NIGHTLY}/resume", {})).data
    assert [*resumed["resumed"]] == ["nightly"]
    assert (await api.get(NIGHTLY)).data["schedule"]["paused"] is None


async def test_all_schedules_are_paused_at_once(api: Api) -> None:
    assert (await api.post("/schedules/rewired/pause", {})).status == 200
    listed = (await api.get("/schedules?pipeline=rewired")).data["schedules"]
    assert [each["paused"]["pipeline"] for each in listed] == [True, True]
    await api.post("/schedules/rewired/resume", {})
    listed = (await api.get("/schedules")).data["schedules"]
    assert [each["paused"] for each in listed] == [None, None]


async def test_what_cannot_be_done_is_refused_with_its_reason(api: Api) -> None:
    over = await api.post(f"{NIGHTLY}/pause", {"until": "2020-01-01T00:00:00Z"})
    assert (over.status, "is over" in over.data["detail"]) == (400, True)
    unplanned = await api.post(f"{NIGHTLY}/fire", {"planned": "2026-11-24T03:00"})
    assert (unplanned.status, unplanned.data["code"]) == (422, "unplanned_time")
    future = await api.post(f"{NIGHTLY}/fire", {"planned": day(TODAY + 9 * DAY)})
    assert (future.status, future.data["code"]) == (422, "future_time")
    unknown = await api.post("/schedules/rewired/nightl/pause", {})
    assert (unknown.status, "nightly" in unknown.data["detail"]) == (404, True)
    page = await api.get(f"{NIGHTLY}?before=here")
    assert (page.status, page.data["code"]) == (400, "invalid_request")


async def test_a_backfill_is_counted_before_it_is_ordered(api: Api) -> None:
    begin, end = TODAY - 15 * DAY, TODAY - DAY
    asked = f"{NIGHTLY}/backfill-plan?start={day(begin)}&end={day(end)}"
    plan = (await api.get(asked)).data
    assert (plan["planned"], plan["excluded"], plan["fired"], len(plan["times"])) == (14, 2, 0, 12)
    assert len(plan["excluded_times"]) == 2
    order = {"start": plan["start"], "end": plan["end"], "token": plan["token"]}
    stale = await api.post(f"{NIGHTLY}/backfills", {**order, "missing": False})
    assert (stale.status, stale.data["code"]) == (409, "stale_token")
    assert (await api.get(NIGHTLY)).data["schedule"]["backfills"] == []
    ordered = await api.post(f"{NIGHTLY}/backfills", order)
    assert (ordered.status, len(ordered.data["times"])) == (200, 12)
    (open_,) = (await api.get(NIGHTLY)).data["schedule"]["backfills"]
    assert (open_["id"], open_["left"]) == (ordered.data["id"], 14)
    ended = await api.ask("DELETE", f"{NIGHTLY}/backfills/{open_['id']}", json={})
    assert ended.status == 200
    assert (await api.get(NIGHTLY)).data["schedule"]["backfills"] == []


async def test_a_plan_without_planned_times_says_why(api: Api) -> None:
    asked = f"{NIGHTLY}/backfill-plan?start=2026-11-22T00:00Z&end=2026-11-23T00:00Z"  # a Sunday
    plan = (await api.get(asked)).data
    assert (plan["planned"], plan["times"]) == (1, [])
    assert "calendars exclude all 1" in plan["warning"]


@pytest.mark.timeout(120)
async def test_what_is_fired_by_hand_stands_in_the_history(
    settings: Settings, tmp_path: Path, api: Api
) -> None:
    planned = TODAY - 2 * DAY if (TODAY - 2 * DAY).weekday() != 6 else TODAY - 3 * DAY
    with bookkeeper(settings):
        async with at_work(settings, tmp_path, 1), scheduler(settings, Clock()):
            for comment in ("first", "again"):
                fired = await api.post(
                    f"{NIGHTLY}/fire", {"planned": f"{planned:%Y-%m-%d}T02:30", "comment": comment}
                )
                assert fired.status == 200, fired.text

            async def ended() -> bool:
                history = (await api.get(NIGHTLY)).data["history"]
                return [each["status"] for each in history] == ["completed"] * 2

            await until(ended, "both runs have not completed", 60)
    shown = (await api.get(f"{NIGHTLY}?limit=1")).data
    (newest,) = shown["history"]
    older = (await api.get(f"{NIGHTLY}?limit=1&before={shown['next_page']}")).data
    (first,) = older["history"]
    assert (newest["planned"], bool(newest["suffix"]), bool(first["suffix"])) == (
        first["planned"], True, False
    )  # fmt: skip
    assert (older["more"], older["next_page"]) == (False, None)
    week = f"start={day(TODAY - 6 * DAY)}&end={day(TODAY + DAY)}"
    days = (await api.get(f"/schedules/calendar?{week}")).data["days"][0]
    assert [each["state"] for each in days["marks"]][:2] == ["late", "again"]
