"""What does the demo's result page say?"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import sqlalchemy
from rich.console import Console
from rich.table import Table

from farandole.broker.settings import Settings
from farandole.console.books.balance import sheet, summary
from farandole.console.demonstration.mailed import Mailed
from farandole.console.demonstration.oracle import Figures, Weeks
from farandole.console.hints import farandole
from farandole.console.wiring import Here
from farandole.events.ledger import Row
from farandole.events.topology import Version

_CENTS = "_cents"


def show(
    console: Console, weeks: Weeks, wanted: Figures, found: Figures, differences: Sequence[str]
) -> None:
    """Each figure of the run beside DuckDB's, and what differs."""
    console.print()
    edges = _compared("events of this run, by type", "in Kafka")
    _fill(edges, wanted.edges or {}, found.edges or {})
    console.print(edges)
    dead = _compared("dead letters of this run, by reason", "in Kafka")
    _fill(dead, wanted.dead or {}, found.dead or {})
    console.print(dead)
    table = _compared("the loaded table", "loaded")
    _fill(table, wanted.table, found.table)
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


def say_ended(console: Console, row: Row) -> None:
    """How a run has ended, in one line."""
    console.print(f"The run is {summary(row, _now())}", soft_wrap=True)


def say_books(console: Console, here: Here, row: Row, version: Version) -> None:
    """The balance sheet of the run."""
    console.print(f"\n$ {farandole(here, 'run', row['run'])}", markup=False, soft_wrap=True)
    for line in sheet(row, version, _now()):
        console.print(line, markup=False, soft_wrap=True)
    console.print()


def say_mailed(console: Console, folder: Path, mailed: Sequence[Mailed]) -> None:
    """What was written to whom about the failures."""
    if not mailed:
        return
    console.print("\nMails about what died, as the notifier has sent them:")
    for each in mailed:
        number = each.incident.count
        count = f"{number:,} dead letter{'s' if number > 1 else ''} so far"
        if each.mail is None:
            console.print(f"  {count}, no mail yet: {each.incident.title}", markup=False)
            continue
        said = f"  to {', '.join(each.mail.to)}: {each.mail.subject}"
        console.print(said, soft_wrap=True, markup=False)
        file = os.path.relpath(each.mail.file)
        console.print(f"  {count}; the mail is {file}", soft_wrap=True, markup=False)


def lead_on(
    console: Console, here: Here, settings: Settings, version: Version, url: str, run: str
) -> None:
    """The commands to look around with."""
    address = settings.bootstrap
    priced = version.events["line.priced"].topic
    dead = settings.names.dead(version.pipeline, "validate")
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
        f"{farandole(here, 'tail line.priced --no-follow --json')} | head -3",
        f"{farandole(here, 'tail --dead validate --no-follow')} | grep -c paid",
        farandole(here, "dead", f"--run {run}"),
        farandole(here, "status"),
        farandole(here, "run", run),
        farandole(here, "audit", run),
        f'{client} "{query}"',
    ]
    console.print(f"\nLook around (this was run {run}):")
    for line in lines:
        console.print(f"  {line}", soft_wrap=True, markup=False)
    if here.settings().bootstrap is None:
        console.print(f"Kafka goes on running at {address}, with its data; to stop it:")
        console.print(f"  {farandole(here, 'kafka stop')}", soft_wrap=True, markup=False)


def _compared(title: str, ours: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    table.add_column(ours, justify="right")
    table.add_column("DuckDB", justify="right")
    table.add_column("")
    return table


def _fill(table: Table, wanted: Mapping[str, int], found: Mapping[str, int]) -> None:
    for name in dict.fromkeys([*wanted, *found]):
        ours, theirs = found.get(name, 0), wanted.get(name, 0)
        mark = "[green]=[/]" if ours == theirs else "[bold red]≠[/]"
        table.add_row(_label(name), _number(name, ours), _number(name, theirs), mark)


def _label(name: str) -> str:
    return name.removesuffix(_CENTS).replace("_", " ") if name.endswith(_CENTS) else name


def _number(name: str, value: int) -> str:
    return f"${value / 100:,.2f}" if name.endswith(_CENTS) else f"{value:,}"


def _now() -> int:
    return int(time.time() * 1000)
