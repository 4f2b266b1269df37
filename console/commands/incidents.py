"""Which failures are there, and what was said about them?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from farandole.console.failing import Failed
from farandole.console.output import columns, json_option, say, say_json
from farandole.console.wiring import Here, run

if TYPE_CHECKING:
    from farandole.events.incident import Incident, Notice


@click.command()
@click.argument("incident", metavar="[ID]", required=False)
@click.option("--all", "every", is_flag=True, help="Also those that were resolved, for seven days.")
@json_option
@click.pass_obj
def incidents(here: Here, incident: str | None, every: bool, as_json: bool) -> None:
    """List the failures that belong together, or show one: how many, since when, two samples, and
    what was sent about it.

    The notifier keeps them: without one (`farandole up` runs it, or `farandole notify`) nothing new
    is listed.
    """
    here.logs()
    run(_incidents(here, incident, every, as_json))


async def _incidents(here: Here, wanted: str | None, every: bool, as_json: bool) -> None:
    from farandole.broker.tables import read_table
    from farandole.notifier import rows

    settings = await here.reached()
    found = rows.incidents(await read_table(settings, settings.names.incidents))
    notices = rows.notices(await read_table(settings, settings.names.outbox))
    if wanted is not None:
        one = find(found, wanted)
        about = [notice for notice in notices if notice.incident == one.id]
        if as_json:
            sent = [_sent(notice) for notice in about]
            say_json(_shown({**one.model_dump(mode="json"), "sent": sent}))
        else:
            _show(here, one, about)
        return
    shown = sorted(
        (i for i in found if every or i.resolved is None),
        key=lambda i: (i.resolved is not None, -i.last.timestamp()),
    )
    if as_json:
        say_json(_shown([i.model_dump(mode="json") for i in shown]))
        return
    if not shown:
        say(f"no incident{'' if every else ' is open'}")
        return
    rows_ = [("id", "stage", "what", "state", "count", "since (UTC)", "last")]
    rows_ += [
        (
            i.id,
            _where(i),
            _what(i),
            state(i),
            f"{i.count:,}",
            f"{i.opened:%m-%d %H:%M:%S}",
            f"{i.last:%m-%d %H:%M:%S}",
        )
        for i in shown
    ]
    for line in columns(rows_, left=4):
        say(line)


def find(found: Sequence[Incident], wanted: str) -> Incident:
    """The incident of that id. Raises Failed."""
    for incident in found:
        if incident.id == wanted:
            return incident
    near = ", ".join(i.id for i in found if i.resolved is None) or "none is open"
    raise Failed(f"farandole: there is no incident {wanted!r}; open are: {near}")


def state(incident: Incident) -> str:
    """In a word or two."""
    from datetime import UTC, datetime

    if incident.resolved is not None:
        return "resolved"
    if incident.muted_until is not None and incident.muted_until > datetime.now(UTC):
        return f"muted until {incident.muted_until:%m-%d %H:%M}"
    if incident.acknowledged_by is not None:
        return "acknowledged"
    return "open"


def _where(incident: Incident) -> str:
    return f"{incident.pipeline}/{incident.stage}" if incident.stage else incident.pipeline


def _what(incident: Incident) -> str:
    from farandole.events.display import in_one_line

    said = in_one_line(f"{incident.error}: {incident.title}")
    return said if len(said) <= 60 else f"{said[:59]}…"


def _sent(notice: Notice) -> dict[str, Any]:
    """Without a webhook's address: who knows it can post to it."""
    kept = {"mail", "payload", "incident", "pipeline", "webhook"}
    return notice.model_dump(mode="json", exclude=kept)


def _shown(data: Any) -> Any:
    """JSON data whose texts obey nobody's terminal."""
    from farandole.events.display import harmless

    if isinstance(data, str):
        return harmless(data)
    if isinstance(data, dict):
        return {harmless(name): _shown(value) for name, value in data.items()}
    return [_shown(each) for each in data] if isinstance(data, list) else data


def _show(here: Here, incident: Incident, notices: Sequence[Notice]) -> None:
    from farandole.console.hints import farandole
    from farandole.events.display import harmless, in_one_line
    from farandole.notifier.composing import selection
    from farandole.notifier.words import lanes_of

    what = in_one_line(f"{incident.error}: {incident.title}")
    say(f"{_where(incident)}  {what}")
    since, last = f"{incident.opened:%Y-%m-%d %H:%M:%S}", f"{incident.last:%Y-%m-%d %H:%M:%S}"
    if incident.firing is not None:
        lanes = f"{lanes_of(incident)}; " if incident.lanes else ""
        say(f"{state(incident)}; since {since} UTC; {lanes}the last word, at {last}:")
        say(f"  {harmless(incident.said)}")
    else:
        say(
            f"{state(incident)}; {incident.count:,} events died since {since} UTC, the last one at "
            f"{last}, under {in_one_line(incident.version)}"
        )
    for sample in incident.samples:
        say("")
        place = f"{sample.topic}/{sample.partition}/{sample.offset}"
        key, run = sample.key or "(none)", sample.run or "(unknown)"
        say(in_one_line(f"{place}, key {key}, run {run}"))
        say(f"  {harmless(sample.message)}".replace("\n", "\n  "))
        for line in harmless(sample.data).splitlines():
            say(f"  {line}")
    say("")
    for notice in sorted(notices, key=lambda n: n.written):
        if notice.delivered:
            how = f"delivered {notice.delivered:%m-%d %H:%M:%S}"
        else:
            how = f"not yet delivered, {notice.attempts} attempts"
        say(f"{notice.kind}: {in_one_line(', '.join(notice.recipients)) or 'webhook'}: {how}")
        for to, why in notice.failures.items():
            say(f"  {in_one_line(to)}: {in_one_line(why)}")
    if incident.run:
        say(farandole(here, "run", incident.run))
    if incident.firing is None:
        meant = in_one_line(selection(incident))
        say(farandole(here, "dead", meant))
        if incident.samples:
            offset = incident.samples[-1].dead_offset
            say(farandole(here, "dead", "show", in_one_line(f"{incident.stage}/{offset}")))
        say(farandole(here, "dead", "replay", meant))
    else:
        say(farandole(here, "status"))
    if incident.resolved is None:
        say(farandole(here, "ack", incident.id))
        say(farandole(here, "mute", incident.id, "--for", "2h"))
