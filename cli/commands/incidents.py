"""Which failures are there, and what was said about them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError
from farandole.cli.rendering.tables import format_columns

if TYPE_CHECKING:
    from farandole.events.incident_record import Incident, Notice


@click.command()
@click.argument("incident", metavar="[ID]", required=False)
@click.option("--all", "every", is_flag=True, help="Also those that were resolved, for seven days.")
@json_option
@click.pass_obj
def incidents(context: CliContext, incident: str | None, every: bool, as_json: bool) -> None:
    """List the failures that belong together, or show one: how many, since when, two samples, and
    what was sent about it.

    The notifier keeps them: without one (`farandole up` runs it, or `farandole notify`) nothing new
    is listed.
    """
    context.configure_logs()
    run_async(_incidents(context, incident, every, as_json))


async def _incidents(context: CliContext, wanted: str | None, every: bool, as_json: bool) -> None:
    from farandole.broker.topic_reader import read_table
    from farandole.notifier import notifier_tables

    settings = await context.connect()
    found = notifier_tables.read_incidents(
        await read_table(settings, settings.names.incidents_topic)
    )
    notices = notifier_tables.read_notices(await read_table(settings, settings.names.outbox_topic))
    if wanted is not None:
        one = find_incident(found, wanted)
        about = [notice for notice in notices if notice.incident == one.id]
        if as_json:
            sent = [_notice_data(notice) for notice in about]
            print_json(_harmless_data({**one.model_dump(mode="json"), "sent": sent}))
        else:
            _print_incident(context, one, about)
        return
    shown = sorted(
        (i for i in found if every or i.resolved is None),
        key=lambda i: (i.resolved is not None, -i.last.timestamp()),
    )
    if as_json:
        print_json(_harmless_data([i.model_dump(mode="json") for i in shown]))
        return
    if not shown:
        print_line(f"no incident{'' if every else ' is open'}")
        return
    rows_ = [("id", "stage", "what", "state", "count", "since (UTC)", "last")]
    rows_ += [
        (
            i.id,
            _incident_place(i),
            _incident_title(i),
            incident_state(i),
            f"{i.count:,}",
            f"{i.opened:%m-%d %H:%M:%S}",
            f"{i.last:%m-%d %H:%M:%S}",
        )
        for i in shown
    ]
    for line in format_columns(rows_, left=4):
        print_line(line)


def find_incident(found: Sequence[Incident], wanted: str) -> Incident:
    """The incident of that id. Raises CommandError."""
    for incident in found:
        if incident.id == wanted:
            return incident
    near = ", ".join(i.id for i in found if i.resolved is None) or "none is open"
    raise CommandError(f"farandole: there is no incident {wanted!r}; open are: {near}")


def incident_state(incident: Incident) -> str:
    """In a word or two."""
    from datetime import UTC, datetime

    if incident.resolved is not None:
        return "resolved"
    if incident.muted_until is not None and incident.muted_until > datetime.now(UTC):
        return f"muted until {incident.muted_until:%m-%d %H:%M}"
    if incident.acknowledged_by is not None:
        return "acknowledged"
    return "open"


def _incident_place(incident: Incident) -> str:
    return f"{incident.pipeline}/{incident.stage}" if incident.stage else incident.pipeline


def _incident_title(incident: Incident) -> str:
    from farandole.events.safe_text import single_line

    said = single_line(f"{incident.error}: {incident.title}")
    return said if len(said) <= 60 else f"{said[:59]}…"


def _notice_data(notice: Notice) -> dict[str, Any]:
    """Without a webhook's address: who knows it can post to it."""
    kept = {"mail", "payload", "incident", "pipeline", "webhook"}
    return notice.model_dump(mode="json", exclude=kept)


def _harmless_data(data: Any) -> Any:
    """JSON data whose texts obey nobody's terminal."""
    from farandole.events.safe_text import escape_harmful

    if isinstance(data, str):
        return escape_harmful(data)
    if isinstance(data, dict):
        return {escape_harmful(name): _harmless_data(value) for name, value in data.items()}
    return [_harmless_data(each) for each in data] if isinstance(data, list) else data


def _print_incident(context: CliContext, incident: Incident, notices: Sequence[Notice]) -> None:
    from farandole.events.safe_text import escape_harmful, single_line
    from farandole.notifier.incident_text import lanes_text
    from farandole.notifier.notice_composer import dead_selection_options

    what = single_line(f"{incident.error}: {incident.title}")
    print_line(f"{_incident_place(incident)}  {what}")
    since, last = f"{incident.opened:%Y-%m-%d %H:%M:%S}", f"{incident.last:%Y-%m-%d %H:%M:%S}"
    if incident.firing is not None:
        lanes = f"{lanes_text(incident)}; " if incident.lanes else ""
        print_line(
            f"{incident_state(incident)}; since {since} UTC; {lanes}the last word, at {last}:"
        )
        print_line(f"  {escape_harmful(incident.said)}")
    else:
        print_line(
            f"{incident_state(incident)}; {incident.count:,} events died since {since} "
            "UTC, the last one at "
            f"{last}, under {single_line(incident.version)}"
        )
    for sample in incident.samples:
        print_line("")
        place = f"{sample.topic}/{sample.partition}/{sample.offset}"
        key, run = sample.key or "(none)", sample.run or "(unknown)"
        print_line(single_line(f"{place}, key {key}, run {run}"))
        print_line(f"  {escape_harmful(sample.message)}".replace("\n", "\n  "))
        for line in escape_harmful(sample.data).splitlines():
            print_line(f"  {line}")
    print_line("")
    for notice in sorted(notices, key=lambda n: n.written):
        if notice.delivered:
            how = f"delivered {notice.delivered:%m-%d %H:%M:%S}"
        else:
            how = f"not yet delivered, {notice.attempts} attempts"
        print_line(
            f"{notice.kind}: {single_line(', '.join(notice.recipients)) or 'webhook'}: {how}"
        )
        for to, why in notice.failures.items():
            print_line(f"  {single_line(to)}: {single_line(why)}")
    if incident.run:
        print_line(context.command_line("run", incident.run))
    if incident.firing is None:
        meant = single_line(dead_selection_options(incident))
        print_line(context.command_line("dead", meant))
        if incident.samples:
            offset = incident.samples[-1].dead_offset
            print_line(
                context.command_line("dead", "show", single_line(f"{incident.stage}/{offset}"))
            )
        print_line(context.command_line("dead", "replay", meant))
    else:
        print_line(context.command_line("status"))
    if incident.resolved is None:
        print_line(context.command_line("ack", incident.id))
        print_line(context.command_line("mute", incident.id, "--for", "2h"))
