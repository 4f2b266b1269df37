"""Does the shipped pipeline do what it says, on this machine, to the cent?"""

from __future__ import annotations

import asyncio
import os
import re
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.console import Console

from farandole.console.failing import Failed
from farandole.console.wiring import Here, run, who

if TYPE_CHECKING:
    from farandole.broker.settings import Settings
    from farandole.console.demonstration.counting import Counted
    from farandole.console.demonstration.oracle import Figures, Weeks
    from farandole.events.ledger import Row
    from farandole.events.topology import Version
    from farandole.router.plan import Plan
    from farandole.worker.supervisor import Supervisor

PIPELINE = "order-lines"
ROOT = "feed.requested"
DEFAULT_WEEKS = "2-10"
STALLED = 60.0  # seconds without any progress
MAILED = 30.0  # seconds until the last failure is told
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

    run: str
    seconds: float
    """Until it was complete; what was mended afterwards is not in them."""
    counted: Counted
    """With what was mended."""


@click.command()
@click.option("--weeks", type=_Weeks(), metavar="2-4", default=DEFAULT_WEEKS, show_default=True)
@click.option("--all", "every", is_flag=True, help="All 53 weeks: 1,469,307 lines.")
@click.pass_obj
def demo(here: Here, weeks: list[int], every: bool) -> None:
    """Load some weeks of order lines, mend what died of a till's mistake, and check the result
    against DuckDB, to the cent.

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
    from farandole.console.demonstration import result
    from farandole.console.demonstration.oracle import differences, expected, loaded
    from farandole.console.stderr import into
    from farandole.router.enact import enact
    from farandole.router.facts import planned
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
    wanted = await asyncio.to_thread(expected, weeks, mended=True)
    found = replace(
        await asyncio.to_thread(loaded, url, weeks),
        edges=ended.counted.edges,
        dead=ended.counted.dead,
    )
    told = differences(wanted, found)
    result.show(console, weeks, wanted, found, told)
    _say_speed(console, ended, found)
    result.lead_on(console, here, settings, version, url, ended.run)
    return len(told)


def _refuse_dangerous(here: Here, plan: Plan) -> None:
    """What needs a person's word needs a command that takes it. Raises Failed."""
    from farandole.console.hints import farandole
    from farandole.router.plan import rows

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
    """Trigger, work until every event is settled and every failure told, mend one kind of failure,
    and count."""
    from farandole.console.commands.trigger import publish
    from farandole.console.demonstration import result
    from farandole.console.demonstration.counting import count, ends
    from farandole.console.demonstration.mailed import caused, server
    from farandole.console.demonstration.mending import mend
    from farandole.console.processes.beside import service
    from farandole.console.processes.supervising import beside
    from farandole.notifier.catcher import catching
    from farandole.worker.services import services
    from farandole.worker.supervisor import Supervisor
    from farandole.worker.versions import published

    level = here.log_level or "info"
    since = await ends(settings, version)
    versions = await published(settings, version.pipeline)
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        # Wherever mails go otherwise: the demo's stay here.
        address = await stack.enter_async_context(catching(_mails(here.folder)))
        notifier = service(here, settings, "notify", level=level, environment=server(address))
        workers = services(settings, here.folder, versions, log_level=level)
        bookkeeper = service(here, settings, "keep-books", level=level)
        supervisor = Supervisor([*workers, bookkeeper, notifier])
        running = await stack.enter_async_context(beside(supervisor))
        root = await publish(settings, version, ROOT, orjson.dumps({"weeks": weeks}))
        told = f"published one {ROOT} for {_said(weeks)}: run {root.run}"
        console.print(told, soft_wrap=True)
        row = await _completed(here, settings, version, root.run, supervisor, running, console)
        seconds = time.monotonic() - began
        dead = sum(edge["dead"] for edge in row["edges"].values())
        mailed = await caused(
            settings, version.pipeline, _mails(here.folder), dead=dead, patience=MAILED
        )
        result.say_ended(console, row)
        result.say_mailed(console, here.folder, mailed)
        console.print()
        row = await mend(console, here, settings, version, row, STALLED)
        result.say_books(console, here, row, version)
        console.print("counting what the run left in each topic")
        counted = await count(settings, version, root.run, since)
    return _Ended(root.run, seconds, counted)


async def _completed(
    here: Here,
    settings: Settings,
    version: Version,
    run_id: str,
    supervisor: Supervisor,
    running: asyncio.Task[bool],
    console: Console,
) -> Row:
    """Show the progress until the books say that the run is complete. Raises Failed when nothing
    moves any more."""
    from farandole.broker.admin import Admin
    from farandole.broker.lag import ordered_pass
    from farandole.console.books.rows import first
    from farandole.console.demonstration.progress import Watch, shown

    watch = Watch()
    moved, before = time.monotonic(), None
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(Admin.open(settings))
        closing = asyncio.create_task(first(settings, run_id, _closed))
        stack.callback(closing.cancel)
        with shown(console) as show:
            while True:
                lags = await ordered_pass(admin, settings.names, version)
                rows = watch.rows(lags, supervisor.reports())
                show(rows)
                if closing.done():
                    return closing.result()
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
                ends = {running, closing}
                await asyncio.wait(ends, timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)


def _closed(row: Row) -> bool:
    return row["closed"] is not None


def _mails(folder: Path) -> Path:
    return folder / ".farandole" / "mails"


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
