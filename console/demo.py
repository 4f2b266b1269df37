"""Does the shipped pipeline do what it says, on this machine, to the cent?"""

from __future__ import annotations

import asyncio
import os
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.console import Console

from console.failing import Failed
from console.wiring import Here, run, who

if TYPE_CHECKING:
    from broker.settings import Settings
    from console.counting import Counted
    from console.oracle import Figures, Weeks
    from events.topology import Version
    from router.plan import Plan
    from worker.supervisor import Supervisor

PIPELINE = "order-lines"
ROOT = "feed.requested"
DEFAULT_WEEKS = "2-10"
STALLED = 60.0  # seconds without any progress
_LOOK = 0.5  # seconds between two looks at the stages
_RANGE = re.compile(r"(\d+)(?:-(\d+))?")


class _Weeks(click.ParamType):
    name = "weeks"

    def convert(self, value: Any, param: Any, ctx: Any) -> list[int]:
        weeks: set[int] = set()
        for part in str(value).split(","):
            match = _RANGE.fullmatch(part.strip())
            if match is None:
                self.fail(f"{value!r} are no weeks; write for example 2-4 or 1,3", param, ctx)
            weeks |= set(range(int(match[1]), int(match[2] or match[1]) + 1))
        if not weeks or not weeks <= set(range(1, 54)):
            self.fail(f"{value!r}: the year has the weeks 1 to 53", param, ctx)
        return sorted(weeks)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A run whose every event is settled."""

    id: str
    seconds: float
    counted: Counted


@click.command()
@click.option("--weeks", type=_Weeks(), metavar="2-4", default=DEFAULT_WEEKS, show_default=True)
@click.option("--all", "every", is_flag=True, help="All 53 weeks: 1,469,307 lines.")
@click.pass_obj
def demo(here: Here, weeks: list[int], every: bool) -> None:
    """Load some weeks of order lines and check the result against DuckDB, to the cent.

    Starts the embedded Kafka, which goes on running; ends by itself, with exit code 1 if any figure
    differs.
    """
    chosen: Weeks = "all" if every else weeks
    here.logs("info", pretty=False)
    differing = run(_demo(here, chosen, Console(highlight=False)))
    if differing:
        raise Failed(f"farandole: {differing} figures differ, see above")


async def _demo(here: Here, weeks: Weeks, console: Console) -> int:
    """How many figures differ."""
    from console import result
    from console.oracle import differences, expected, loaded
    from console.stderr import into
    from router.enact import enact
    from router.facts import planned
    from stages.order_lines.source import TRANSACTIONS, file

    form = here.form()
    if form.pipeline != PIPELINE:
        raise Failed(
            f"farandole: the demo is of the pipeline {PIPELINE}, this folder holds "
            f"{form.pipeline}; run it where Farandole was unpacked, or with -C DIR"
        )
    file(TRANSACTIONS)  # no data: say so before anything is started
    derived = here.derived()
    url = _table_url(here.folder)
    with into(_log_file(here.folder)):
        settings = await here.reached(
            start=True, progress=lambda word: console.print(f"Kafka: {word}")
        )
        plan = await planned(settings, derived)
        _refuse_dangerous(here, plan)
        version = (await enact(settings, plan, who())).version
        console.print(f"{version.name} is in force on Kafka at {settings.bootstrap}")
        ended = await _run(here, settings, version, weeks, console)
    console.print("asking DuckDB for the same figures")
    wanted = await asyncio.to_thread(expected, weeks)
    found = replace(
        await asyncio.to_thread(loaded, url, weeks),
        edges=ended.counted.edges,
        dead=ended.counted.dead,
    )
    told = differences(wanted, found)
    result.show(console, weeks, wanted, found, told)
    _say_speed(console, ended, found)
    result.lead_on(console, here, settings, version, url, ended.id)
    return len(told)


def _refuse_dangerous(here: Here, plan: Plan) -> None:
    """What needs a person's word needs a command that takes it. Raises Failed."""
    from console.hints import farandole
    from router.plan import rows

    refused = plan.refused(())
    if refused:
        allow = farandole(here, "apply", *(f"--allow {danger}" for danger in plan.dangers))
        raise Failed(
            *(line.strip() for line in rows(refused)),
            f"farandole: nothing was applied; if that is meant: {allow}",
        )


async def _run(
    here: Here, settings: Settings, version: Version, weeks: Weeks, console: Console
) -> _Ended:
    """Trigger, work until every event is settled, and count."""
    from console.counting import count, ends
    from console.supervising import beside
    from console.trigger import publish
    from worker.services import services
    from worker.supervisor import Supervisor
    from worker.versions import published

    since = await ends(settings, version)
    versions = await published(settings, version.pipeline)
    supervisor = Supervisor(
        services(settings, here.folder, versions, log_level=here.log_level or "info")
    )
    began = time.monotonic()
    async with beside(supervisor) as running:
        root = await publish(settings, version, ROOT, orjson.dumps({"weeks": weeks}))
        console.print(f"published one {ROOT} for {_said(weeks)}: run {root.run}")
        await _settled(here, settings, version, supervisor, running, console)
        seconds = time.monotonic() - began
    console.print("counting what the run left in each topic")
    return _Ended(root.run, seconds, await count(settings, version, root.run, since))


async def _settled(
    here: Here,
    settings: Settings,
    version: Version,
    supervisor: Supervisor,
    running: asyncio.Task[bool],
    console: Console,
) -> None:
    """Show the progress until one ordered pass finds no lag: see `ordered_pass`, and we publish no
    further trigger. Raises Failed when nothing moves any more."""
    from broker.admin import Admin
    from broker.lag import ordered_pass
    from console.progress import Watch, shown

    watch = Watch()
    moved, before = time.monotonic(), None
    async with Admin.open(settings) as admin:
        with shown(console) as show:
            while True:
                lags = await ordered_pass(admin, settings.names, version)
                rows = watch.rows(lags, supervisor.reports())
                show(rows)
                if not any(row.lag for row in rows):
                    return
                state = [(each.committed, each.end) for stage in lags.values() for each in stage]
                if state != before:
                    moved, before = time.monotonic(), state
                behind = ", ".join(f"{row.stage} {row.lag:,}" for row in rows if row.lag)
                log = _log_file(here.folder)
                if running.done():
                    raise Failed(f"farandole: all workers have ended, lag: {behind}; see {log}")
                if time.monotonic() - moved > STALLED:
                    raise Failed(
                        f"farandole: nothing has moved for {STALLED:g} s, lag: {behind}; see {log}"
                    )
                await asyncio.wait({running}, timeout=_LOOK)


def _log_file(folder: Path) -> Path:
    return folder / ".farandole" / "demo.log"


def _table_url(folder: Path) -> str:
    """Where the workers load to, whose working directory is the folder."""
    import sqlalchemy

    from stages.order_lines.table import DEFAULT, SETTING

    url = os.environ.get(SETTING, DEFAULT)
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError:
        raise Failed(f"farandole: {SETTING} is no database URL") from None
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    path = os.path.relpath(folder / parsed.database)
    return parsed.set(database=path).render_as_string(hide_password=False)


def _said(weeks: Weeks) -> str:
    if weeks == "all":
        return "all weeks"
    return f"week{'s' if len(weeks) > 1 else ''} {', '.join(map(str, weeks))}"


def _say_speed(console: Console, ended: _Ended, found: Figures) -> None:
    lines = (found.edges or {}).get("line.ingested", 0)
    console.print(
        f"{lines:,} lines from the trigger to the table in {ended.seconds:.1f} s on "
        f"{os.cpu_count()} cores, the start of the workers included: "
        f"{lines / ended.seconds:,.0f} a second",
        soft_wrap=True,
    )
