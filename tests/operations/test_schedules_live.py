"""Do orders to a scheduler that is at work come to their ends, and does the history tell them?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.cli.context import CliContext
from farandole.operations.schedules.backfill import order_backfill, wait_for_backfill
from farandole.operations.schedules.backfill_plan import BackfillRequest
from farandole.operations.schedules.fire import FireRequest, fire, wait_for_run
from farandole.operations.schedules.list_schedules import SchedulesRequest, list_schedules
from farandole.operations.schedules.schedule_state import BackfillState
from farandole.operations.schedules.show_schedule import ShowRequest, show_schedule
from tests.cli.worked import STAGES
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.edits import PLAIN, text
from tests.rewiring.test_live import at_work, put
from tests.scheduler.test_scheduler_live import Clock, scheduler

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

SCHEDULES = """\
schedules:
  nightly: {cron: "0 0 * * *", triggers: asked, data: {n: 1, household: 3}, paused: true}
"""
MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)


async def test_what_is_ordered_runs_and_its_history_says_for_whom(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "stages").symlink_to(STAGES)
    file = text(PLAIN) + SCHEDULES
    (tmp_path / "topology.yaml").write_text(file)
    await put(settings, tmp_path, file)
    installation = CliContext(tmp_path).installation_of(settings)
    planned = f"{MIDNIGHT - 2 * DAY:%Y-%m-%d}"
    seen: list[BackfillState] = []
    with bookkeeper(settings):
        async with at_work(settings, tmp_path, 1), scheduler(settings, Clock()):
            order = await fire(installation, FireRequest("nightly", "ann", planned))
            run = await wait_for_run(installation, order)
            assert run is not None
            assert (run.planned, run.status) == (MIDNIGHT - 2 * DAY, "completed")

            begin, end = (f"{MIDNIGHT - days * DAY:%Y-%m-%d}" for days in (3, 0))
            request = BackfillRequest("nightly", "bob", begin, end, missing=True)
            backfill = await order_backfill(installation, request)
            state = await wait_for_backfill(installation, backfill, progress=seen.append)
    assert (state.fired, state.passed, state.left, state.runs) == (2, 1, 0, [])
    assert all(each.ended is None for each in seen)

    listed = await list_schedules(installation, SchedulesRequest())
    (nightly,) = listed.schedules
    assert (nightly.orders, nightly.backfills, nightly.running) == ([], [], [])
    shown = await show_schedule(installation, ShowRequest("nightly", history=True))
    assert shown.history is not None
    assert [(each.planned, each.by, each.status) for each in shown.history] == [
        (MIDNIGHT - DAY, "bob", "completed"),
        (MIDNIGHT - 2 * DAY, "ann", "completed"),
        (MIDNIGHT - 3 * DAY, "bob", "completed"),
    ]
