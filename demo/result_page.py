"""What does the demo print about its results?"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence

import sqlalchemy
from rich.console import Console
from rich.table import Table

from farandole.broker.settings import Settings
from farandole.demo.incident_mails import IncidentMail
from farandole.demo.oracle import Figures
from farandole.events.number_format import grouped
from farandole.events.run_row import RunRow
from farandole.events.time_format import format_elapsed
from farandole.events.topology_version import Version
from farandole.operations.runs.balance_sheet import balance_sheet
from farandole.services.invocation import Invocation

_CENTS_SUFFIX = "_cents"


def print_comparison(
    console: Console, wanted: Figures, found: Figures, differences: Sequence[str]
) -> None:
    """Print each figure of the run beside DuckDB's, and what differs."""
    console.print()
    edges = _comparison_table("events of this run, by type", "in Kafka")
    _fill_comparison(edges, wanted.edges or {}, found.edges or {})
    console.print(edges)
    dead = _comparison_table("dead letters of this run, by reason", "in Kafka")
    _fill_comparison(dead, wanted.dead or {}, found.dead or {})
    console.print(dead)
    table = _comparison_table("the loaded table", "loaded")
    _fill_comparison(table, wanted.table, found.table)
    console.print(table)
    groups = sum(len(groups) for groups in wanted.groups.values())
    if differences:
        console.print("[bold red]They differ:[/]")
        for line in differences:
            console.print(f"  {line}", markup=False)
        return
    console.print(
        f"[bold green]All figures agree, to the cent[/], and so do lines and sums of {groups} "
        f"groups by {', '.join(wanted.groups)}.",
        soft_wrap=True,
    )


def print_run_end(console: Console, row: RunRow) -> None:
    """Print in one line how a run has ended."""
    sheet = balance_sheet(row, int(time.time() * 1000))
    took = "" if sheet.seconds is None else format_elapsed(sheet.seconds)
    console.print(
        f"The run is {sheet.status}, {took}: {grouped(sheet.settled)} settled, "
        f"{grouped(sheet.in_flight)} in flight, {grouped(sheet.dead)} dead",
        soft_wrap=True,
    )


def print_mails(console: Console, mailed: Sequence[IncidentMail]) -> None:
    """Print which notices about failures were sent to whom."""
    if not mailed:
        return
    console.print("\nMails about what died, as the notifier has sent them:")
    for each in mailed:
        number = each.incident.count
        count = f"{grouped(number)} dead letter{'s' if number > 1 else ''} so far"
        if each.mail is None:
            console.print(f"  {count}, no mail yet: {each.incident.title}", markup=False)
            continue
        text = f"  to {', '.join(each.mail.to)}: {each.mail.subject}"
        console.print(text, soft_wrap=True, markup=False)
        file = os.path.relpath(each.mail.file)
        console.print(f"  {count}; the mail is {file}", soft_wrap=True, markup=False)


def print_next_commands(
    console: Console,
    invocation: Invocation,
    settings: Settings,
    version: Version,
    url: str,
    run: str,
) -> None:
    """Print commands to inspect the result with."""
    command_line = invocation.command_line
    address = settings.bootstrap
    priced = version.events["line.priced"].topic
    dead = settings.names.dead_topic(version.pipeline, "validate")
    query = "SELECT department, sum(paid_cents) FROM order_lines GROUP BY 1 ORDER BY 2 DESC LIMIT 5"
    parsed = sqlalchemy.make_url(url)
    client = (
        f"sqlite3 {parsed.database}"
        if parsed.get_backend_name() == "sqlite"
        else f"psql {parsed.set(drivername='postgresql').render_as_string()}"
    )
    lines = [
        f"kcat -C -b {address} -t {priced} -c 3",
        f"kcat -C -b {address} -t {dead} -c 1 -f '%h\\n%s\\n'",
        f"{command_line('tail line.priced --no-follow --json')} | head -3",
        f"{command_line('tail --dead validate --no-follow')} | grep -c paid",
        command_line("dead", f"--run {run}"),
        command_line("status"),
        command_line("run", run),
        command_line("audit", run),
        f'{client} "{query}"',
    ]
    console.print(f"\nLook around (this was run {run}):")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False)
    if invocation.settings().bootstrap is None:
        console.print(f"Kafka goes on running at {address}, with its data; to stop it:")
        console.print(f"  {command_line('kafka stop')}", soft_wrap=True, markup=False)


def _comparison_table(title: str, ours: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column(ours, justify="right")
    table.add_column("DuckDB", justify="right")
    table.add_column("")
    return table


def _fill_comparison(table: Table, wanted: Mapping[str, int], found: Mapping[str, int]) -> None:
    for name in dict.fromkeys([*wanted, *found]):
        ours, theirs = found.get(name, 0), wanted.get(name, 0)
        mark = "[green]=[/]" if ours == theirs else "[bold red]≠[/]"
        table.add_row(
            _figure_label(name), _format_figure(name, ours), _format_figure(name, theirs), mark
        )


def _figure_label(name: str) -> str:
    return (
        name.removesuffix(_CENTS_SUFFIX).replace("_", " ") if name.endswith(_CENTS_SUFFIX) else name
    )


def _format_figure(name: str, value: int) -> str:
    return f"${value / 100:,.2f}" if name.endswith(_CENTS_SUFFIX) else grouped(value)
