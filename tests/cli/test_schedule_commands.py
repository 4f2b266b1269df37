"""What do `schedules` and `backfill` show, write and refuse?"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from farandole.broker.settings import Settings
from farandole.cli.__main__ import farandole
from farandole.cli.context import CliContext
from farandole.events.schedule_row import BackfillRow
from farandole.operations.schedules.open_backfills import open_backfills
from tests.cli.booked import put, row
from tests.cli.conftest import ROOT, Call, environment, one_line
from tests.cli.scheduled import (
    PLANNED,
    RUN,
    add_schedules,
    fired,
    firing,
    schedule_row,
    write_firings,
    write_rows,
)
from tests.cli.test_switch_commands import by_kcat
from tests.conftest import private_namespace, unset_settings

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def installed(
    kafka: Settings, delete_topics: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Settings, Path]]:
    """Settings and a folder where a file with schedules is in force, and no scheduler runs; for
    all tests of this module, of which each has a schedule of its own."""
    settings, folder = private_namespace(kafka), tmp_path_factory.mktemp("scheduled")
    shutil.copy(ROOT / "topology.yaml", folder)
    add_schedules(folder)
    with pytest.MonkeyPatch.context() as patch:
        unset_settings(patch)
        words = ["-C", str(folder), "apply"]
        applied = CliRunner().invoke(farandole, words, env=environment(settings))
    assert applied.exit_code == 0, applied.output
    yield settings, folder
    delete_topics(settings.names.prefix)


@pytest.fixture
def settings(installed: tuple[Settings, Path]) -> Settings:
    return installed[0]


@pytest.fixture
def scheduled(installed: tuple[Settings, Path], unset: None) -> Call:
    """`farandole -C folder …`."""
    settings, folder = installed
    env = environment(settings)

    def on_kafka(*arguments: str) -> Result:
        return CliRunner().invoke(farandole, ["-C", str(folder), *arguments], env=env)

    return on_kafka


def data(scheduled: Call, *words: str) -> Any:
    result = scheduled(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.kafka
def test_schedules_are_paused_and_resumed(scheduled: Call, settings: Settings) -> None:
    def paused() -> dict[str, Any]:
        return {
            each["schedule"]: each["paused"] for each in data(scheduled, "schedules")["schedules"]
        }

    text = scheduled("schedules").stdout
    assert text.startswith("no scheduler is at work, so nothing fires: farandole ")
    assert "\nnightly: 30 1 * * *; triggers feed.requested\n  next: 20" in text
    assert (
        "\nreport: after /tmp/in/*.csv (looked for each 30s); triggers report.requested\n" in text
    )
    assert [name for name, pause in paused().items() if pause] == ["hourly"]
    assert paused()["hourly"]["by_file"]

    result = scheduled(
        "schedules", "pause", "nightly", "--for", "2h", "--by", "ann", "--comment", "disk"
    )
    assert result.stdout.startswith("nightly: paused until 20")
    assert (paused()["nightly"]["by"], paused()["nightly"]["comment"]) == ("ann", "disk")
    assert '  paused by ann ("disk") since 20' in scheduled("schedules", "show", "nightly").stdout
    assert "4 schedules, 2 paused, no scheduler is at work: farandole" in scheduled("status").stdout

    # Whatever key a person has written the document under, the next command replaces it.
    by_kcat(
        settings,
        "mine",
        {"do": "schedule", "pipeline": "order-lines", "schedule": "nightly", "paused": True},
    )
    resumed = scheduled("schedules", "resume", "--all", "--by", "bob")
    assert resumed.stdout == (
        "order-lines: every schedule (4) goes on; paused before: nightly, hourly\n"
    )
    assert "no scheduler is at work" in resumed.stderr
    assert not any(paused().values())
    (line,) = scheduled("schedules", "pause", "--all", "--for", "2h").stdout.splitlines()
    assert line.startswith("order-lines: every schedule (4) is paused until 20")
    (line,) = scheduled("schedules", "resume", "hourly").stdout.splitlines()
    assert line.startswith("hourly: goes on; it was paused with the whole pipeline by ")
    by_kcat(
        settings,
        "a",
        {"do": "schedule", "pipeline": "order-lines", "schedule": "gone", "paused": True},
    )
    (unfit,) = data(scheduled, "schedules")["unfit"]
    assert unfit["why"].startswith("order-lines@1 has no schedule gone; ")
    text = scheduled("schedules", "resume", "gone").stdout
    assert text == (
        "gone: order-lines has no such schedule; what documents said of it is deleted\n"
    )
    assert data(scheduled, "schedules")["unfit"] == []


@pytest.mark.kafka
def test_what_cannot_be_ordered_is_refused_and_nothing_is_written(scheduled: Call) -> None:
    def refused(*words: str, code: int = 1) -> str:
        return one_line(scheduled(*words), code)

    before = data(scheduled, "schedules")
    assert "did you mean 'nightly'?" in refused("schedules", "show", "nightyl")
    assert "did you mean 'nightly'?" in refused("schedules", "pause", "nightyl")
    assert "did you mean 'nightly'?" in refused("schedules", "resume", "nightyl")
    assert "or --all" in refused("schedules", "pause", code=2)
    assert "no version of a pipeline 'x'" in refused("schedules", "--pipeline", "x")
    assert "is over" in refused("schedules", "pause", "nightly", "--until", "2020-01-01", code=2)
    assert "'soon' is no time; write 20" in refused("schedules", "fire", "nightly", "soon", code=2)
    tomorrow = f"{datetime.now(UTC) + 2 * DAY:%Y-%m-%dT01:30}"
    assert "is to come" in (text := refused("schedules", "fire", "nightly", tomorrow))
    assert text.endswith("schedules fire nightly now")
    text = refused("schedules", "fire", "report", "now")
    assert (
        "the data of report name what it depends on, ${file.modified}: it fires when that comes"
        in text
    )
    assert text.endswith("trigger report.requested --data …")
    text = refused("schedules", "fire", "nightly", "2026-01-05T02:30")
    assert "is no planned time of nightly; the nearest: 2026-01-05 01:30:00 UTC, 2026-01-06" in text
    assert "since when" in refused("backfill", "nightly", code=2)
    assert "is to come" in refused("backfill", "nightly", "--from", "2999-01-01", code=2)
    text = refused("backfill", "nightly", "--from", "2026-01-05T02:00", "--to", "2026-01-05T03:00")
    assert "nightly has no planned time from 2026-01-05 02:00:00 UTC to" in text
    text = refused("backfill", "hourly", "--from", "2026-01-01", "--to", "2026-03-01")
    assert "hourly would fire 1 416 times; say so with --yes" in text.replace("\u202f", " ")
    text = refused("backfill", "report", "--from", "2026-01-01")
    assert "report has no planned times" in text
    assert text.endswith("trigger report.requested --data …")
    assert "has no backfill 'x'" in refused("backfill", "nightly", "--cancel", "x")
    for old, new in zip(
        before["schedules"], data(scheduled, "schedules")["schedules"], strict=True
    ):
        assert (old["orders"], old["backfills"]) == (new["orders"], new["backfills"])


@pytest.mark.kafka
def test_a_schedule_is_fired_and_backfilled_by_documents(
    scheduled: Call, settings: Settings
) -> None:
    order = data(
        scheduled, "schedules", "fire", "daily", f"{PLANNED:%Y-%m-%dT%H:%M}", "--by", "ann"
    )
    assert (order["local"], order["schedulers"]) == (PLANNED.isoformat(), 0)
    (waiting,) = data(scheduled, "schedules", "show", "daily")["schedule"]["orders"]
    assert (waiting["id"], waiting["by"], waiting["refused"]) == (order["id"], "ann", "")
    assert f"the order {order['id']} by ann to fire for" in scheduled("schedules").stdout

    begin, end = (f"{each:%Y-%m-%d}" for each in (PLANNED - 3 * DAY, PLANNED + DAY))
    words = ("backfill", "daily", "--from", begin, "--to", end, "--missing")
    write_firings(
        settings,
        firing(PLANNED - DAY, schedule="daily", outcome="skipped", reason="x"),
        firing(schedule="daily"),
    )
    plan = data(scheduled, *words, "--dry-run")
    assert (plan["planned"], plan["fired"], len(plan["times"])) == (4, 1, 3)
    text = scheduled(*words, "--dry-run").stdout
    assert "daily would fire for 3 of 4 planned times from " in text
    assert " (fired before: 1)\n" in text
    written = data(scheduled, *words, "--max-parallel", "2")
    (backfill,) = data(scheduled, "schedules")["schedules"][1]["backfills"]
    assert (backfill["id"], backfill["left"], backfill["max_parallel"]) == (written["id"], 4, 2)
    # What a shell completes behind --cancel.
    installation = CliContext(Path()).installation_of(settings)
    assert asyncio.run(open_backfills(installation, "order-lines")) == [written["id"]]
    progress = {"id": written["id"], "next": PLANNED, "fired": 2, "passed": 1}
    fields = {"pipeline": "order-lines", "schedule": "daily", "end": PLANNED + DAY}
    write_rows(settings, BackfillRow.model_validate({**fields, **progress, "runs": [fired()]}))
    text = scheduled("schedules", "show", "daily").stdout
    assert "2 fired, 1 left out, 1 of 4 to look at, 1 run not ended" in text
    text = scheduled("backfill", "daily", "--cancel", written["id"]).stdout
    assert text.startswith(f"daily: the backfill {written['id']} fires no more; so far 2 fired")
    assert "is over" in one_line(scheduled("backfill", "daily", "--cancel", written["id"]))


@pytest.mark.kafka
def test_the_history_tells_what_became_of_each_planned_time(
    scheduled: Call, settings: Settings
) -> None:
    late = PLANNED - 30 * DAY
    skipped = firing(PLANNED - DAY, outcome="skipped", reason=f"run {RUN} had not ended")
    write_firings(settings, firing(late, run="old"), skipped, firing(), firing(run=RUN, by="ann"))
    decided = {"planned": PLANNED, "outcome": "fired", "at": PLANNED}
    waiting = {"planned": PLANNED + DAY, "due": PLANNED + DAY, "why": f"run {RUN} has not ended"}
    write_rows(settings, schedule_row(last=fired(), decided=decided, waiting=[waiting]))
    put(settings, row(RUN, status="failed"))
    shown = data(scheduled, "schedules", "show", "nightly", "--history", "--limit", "2")
    assert [
        (each["planned"][:10], each["outcome"], each["status"]) for each in shown["history"]
    ] == [(f"{PLANNED:%Y-%m-%d}", "fired", "failed"), (f"{PLANNED - DAY:%Y-%m-%d}", "skipped", "")]
    assert shown["more"]
    assert shown["schedule"]["last"]["status"] == "failed"
    text = scheduled("schedules", "show", "nightly", "--since", "60d").stdout
    assert f"{PLANNED:%Y-%m-%d} 01:30:00  fired    {RUN}  failed\n  by ann\n" in text
    assert text.count("01:30:00  ") == 3
    assert f"waits: run {RUN} has not ended" in text
