"""Does the shipped pipeline give the right figures on this machine, to the cent?"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from rich.console import Console

from farandole.broker.optional_packages import require_extra
from farandole.demo.errors import DemoError
from farandole.events.next_step import NextStep
from farandole.events.number_format import format_rate, grouped
from farandole.operations.current_user import current_user
from farandole.operations.errors import RefusedError

if TYPE_CHECKING:
    from farandole.demo.oracle import Figures, Weeks
    from farandole.demo.topic_counts import RunCounts
    from farandole.events.run_row import RunRow
    from farandole.events.topology_version import Version
    from farandole.operations.installation import Installation
    from farandole.operations.topology_source import Derivation
    from farandole.services.invocation import CommandContext
    from farandole.services.supervisor import Supervisor

DEMO_PIPELINE = "order-lines"
ROOT_EVENT_TYPE = "feed.requested"
STALL_TIMEOUT = 60.0  # seconds without any progress
MAIL_TIMEOUT = 30.0  # seconds until the mail about the last failure must have been sent
_POLL_INTERVAL = 0.5  # seconds between two checks of the stages


@dataclass(frozen=True, slots=True)
class _CompletedRun:
    """A run whose events are all settled."""

    run: str
    seconds: float
    """Seconds until it was complete, without what was mended afterwards."""
    counted: RunCounts
    """Counted after the mending."""


async def run_demo(context: CommandContext, weeks: Weeks, console: Console) -> int:
    """Run the demonstration and return how many figures differ. Raises OperationError."""
    require_extra("demo", "the demonstration", "duckdb", "pyarrow", "aiosmtpd")
    from farandole.demo import result_page
    from farandole.demo.odd_lines import found_by_checks, odd_counts, print_odd_lines
    from farandole.demo.oracle import expected_figures, figure_differences, loaded_figures
    from farandole.services.stderr_redirect import redirect_stderr

    model = context.read_file_model()
    if model.pipeline != DEMO_PIPELINE:
        raise DemoError(
            "other_pipeline",
            f"the demo is of the pipeline {DEMO_PIPELINE}, this folder holds {model.pipeline}; "
            "run it where Farandole was unpacked, or with -C DIR",
        )
    derivation = context.derive()
    _require_source_data()
    url = _table_url(context.folder)
    with redirect_stderr(_log_file(context.folder)):
        installation = await context.installation(
            start=True, progress=lambda word: console.print(f"Kafka: {word}")
        )
        await _apply(installation, derivation)
        version = await installation.newest_version()
        address = installation.settings.bootstrap
        console.print(f"{version.name} is in force on Kafka at {address}")
        ended = await _run_pipeline(context, installation, version, weeks, console)
        checks = await found_by_checks(installation, version, ended.run)
    console.print("asking DuckDB for the same figures")
    wanted = await asyncio.to_thread(expected_figures, weeks, mended=True)
    found = replace(
        await asyncio.to_thread(loaded_figures, url, weeks),
        edges=ended.counted.edges,
        dead=ended.counted.dead,
        odd=odd_counts(checks),
    )
    differences = figure_differences(wanted, found)
    result_page.print_comparison(console, wanted, found, differences)
    _print_speed(console, ended, found)
    result_page.print_next_commands(
        console, context.invocation, installation.settings, version, url, ended.run
    )
    print_odd_lines(console, checks)
    return len(differences)


def _require_source_data() -> None:
    """Raise DemoError if the data are not installed. This is checked before anything is started."""
    # A module of the pipeline: its folder is on the import path by now.
    from stages.order_lines.source_data import TRANSACTIONS, DataMissing, file

    try:
        file(TRANSACTIONS)
    except DataMissing as error:
        raise DemoError("data_missing", str(error)) from None


async def _apply(installation: Installation, derivation: Derivation) -> None:
    """Publish the topology. Raises DemoError if that is dangerous: only a command that asks a
    person for permission may do it."""
    from farandole.operations.topology.apply import ApplyRequest, apply_topology

    try:
        await apply_topology(installation, ApplyRequest(derivation, current_user()))
    except RefusedError as refusal:
        if refusal.code != "dangerous_changes":
            raise
        options = (f"--allow {danger}" for danger in refusal.fields["dangers"])
        raise DemoError(
            "dangerous_changes",
            "nothing was applied",
            details=refusal.details,
            next_steps=[NextStep("if that is meant", ("apply", *options))],
        ) from None


async def _run_pipeline(
    context: CommandContext,
    installation: Installation,
    version: Version,
    weeks: Weeks,
    console: Console,
) -> _CompletedRun:
    """Publish a root, run until every event is settled and a mail was sent about every failure,
    repair one kind of failure, and count. Raises OperationError."""
    from farandole.demo import result_page
    from farandole.demo.dead_letter_repair import repair_dead_letters
    from farandole.demo.incident_mails import catcher_environment, wait_for_mails
    from farandole.demo.shown_command import run_command
    from farandole.demo.topic_counts import count_run_events, topic_ends
    from farandole.events.root_record import new_root
    from farandole.notifier.mail_catcher import serve_mail_catcher
    from farandole.operations.events.root_publisher import publish_root
    from farandole.services.companion_services import companion_service
    from farandole.services.pipeline_supervision import supervised
    from farandole.services.supervisor import Supervisor
    from farandole.services.worker_services import worker_services

    settings, invocation = installation.settings, context.invocation
    level = context.log_level or "info"
    mails = _mail_folder(context.folder)
    since = await topic_ends(settings, version)
    versions = await installation.versions()
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        # Whatever the settings say, mails of the demo are saved in the pipeline's folder.
        address = await stack.enter_async_context(serve_mail_catcher(mails))
        environment = catcher_environment(address)
        notifier = companion_service(
            invocation, settings, "notify", level=level, environment=environment
        )
        workers = worker_services(settings, context.folder, versions, log_level=level)
        bookkeeper = companion_service(invocation, settings, "keep-books", level=level)
        supervisor = Supervisor([*workers, bookkeeper, notifier])
        running = await stack.enter_async_context(supervised(supervisor))
        data = orjson.dumps({"weeks": weeks})
        root = await publish_root(settings, version, new_root(version, ROOT_EVENT_TYPE, data))
        text = f"published one {ROOT_EVENT_TYPE} for {_format_weeks(weeks)}: run {root.run}"
        console.print(text, soft_wrap=True)
        row = await _wait_for_completion(
            installation, version, root.run, supervisor, running, console
        )
        seconds = time.monotonic() - began
        dead = sum(edge["dead"] for edge in row["edges"].values())
        mailed = await wait_for_mails(installation, mails, dead=dead, patience=MAIL_TIMEOUT)
        result_page.print_run_end(console, row)
        result_page.print_mails(console, mailed)
        console.print()
        await repair_dead_letters(console, invocation, installation, row, STALL_TIMEOUT)
        console.print()
        await run_command(console, invocation, settings, "run", root.run)
        console.print()
        console.print("counting what the run left in each topic")
        counted = await count_run_events(settings, version, root.run, since)
    return _CompletedRun(root.run, seconds, counted)


async def _wait_for_completion(
    installation: Installation,
    version: Version,
    run_id: str,
    supervisor: Supervisor,
    running: asyncio.Task[bool],
    console: Console,
) -> RunRow:
    """Show the progress until the books show that the run is complete, and return the run row.
    Raises DemoError if there is no more progress, and BrokerError."""
    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.broker.consumer_lag import ordered_lag_pass
    from farandole.demo.progress import ProgressTracker, progress_display
    from farandole.operations.runs.run_rows import first_matching_row

    settings, log = installation.settings, _log_file(installation.folder)
    tracker = ProgressTracker()
    moved, before = time.monotonic(), None
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(ClusterAdmin.open(settings))
        closing = asyncio.create_task(first_matching_row(settings, run_id, _is_closed))
        stack.callback(closing.cancel)
        with progress_display(console) as show:
            while True:
                lags = await ordered_lag_pass(admin, settings.names, version)
                rows = tracker.rows(lags, supervisor.reports())
                show(rows)
                if closing.done():
                    return closing.result()
                state = [(each.committed, each.end) for stage in lags.values() for each in stage]
                if state != before:
                    moved, before = time.monotonic(), state
                behind = ", ".join(f"{row.stage} {grouped(row.lag)}" for row in rows if row.lag)
                if running.done():
                    raise DemoError(
                        "workers_ended", f"all workers have ended, lag: {behind}; see {log}"
                    )
                if time.monotonic() - moved > STALL_TIMEOUT:
                    raise DemoError(
                        "stalled",
                        f"nothing has moved for {STALL_TIMEOUT:g} s, lag: {behind}; see {log}",
                    )
                ends = {running, closing}
                await asyncio.wait(
                    ends, timeout=_POLL_INTERVAL, return_when=asyncio.FIRST_COMPLETED
                )


def _is_closed(row: RunRow) -> bool:
    return row["closed"] is not None


def _mail_folder(folder: Path) -> Path:
    return folder / ".farandole" / "mails"


def _log_file(folder: Path) -> Path:
    return folder / ".farandole" / "demo.log"


def _table_url(folder: Path) -> str:
    """Return the address of the table that the workers load, relative to our working directory:
    theirs is the pipeline's folder. Raises DemoError."""
    import sqlalchemy

    from stages.order_lines.order_lines_table import DEFAULT, SETTING

    url = os.environ.get(SETTING, DEFAULT)
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError:
        raise DemoError("database_unusable", f"{SETTING} is no database URL") from None
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return url
    path = os.path.relpath(folder / parsed.database)
    return parsed.set(database=path).render_as_string(hide_password=False)


def _format_weeks(weeks: Weeks) -> str:
    if weeks == "all":
        return "all weeks"
    return f"week{'s' if len(weeks) > 1 else ''} {', '.join(map(str, weeks))}"


def _print_speed(console: Console, ended: _CompletedRun, found: Figures) -> None:
    lines = (found.edges or {}).get("line.ingested", 0)
    console.print(
        f"{grouped(lines)} lines from the trigger to the table in {ended.seconds:.1f} s on "
        f"{os.cpu_count()} cores, the start of the workers included: "
        f"{format_rate(lines / ended.seconds)}/s",
        soft_wrap=True,
    )
