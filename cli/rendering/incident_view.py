"""How are incidents shown in a terminal?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.incident_record import Incident, Notice
from farandole.events.next_step import CommandLine
from farandole.events.number_format import grouped
from farandole.events.safe_text import escape_harmful, single_line
from farandole.events.time_format import format_day_time, format_recent, format_timestamp
from farandole.notifier.incident_text import lanes_text
from farandole.notifier.suggested_commands import dead_selection_options
from farandole.operations.incidents.incident_rows import incident_state

_MAX_TITLE_LENGTH = 60  # characters


def incident_table(incidents: Sequence[Incident]) -> list[str]:
    """Return a line for each incident, below a line of headings."""
    now = datetime.now(UTC)
    rows = [("id", "severity", "stage", "what", "state", "count", "since (UTC)", "last")]
    rows += [
        (
            incident.id,
            incident.effective_severity,
            _place(incident),
            _short_title(incident),
            _state(incident, now),
            grouped(incident.count),
            format_recent(incident.opened, now),
            format_recent(incident.last, now),
        )
        for incident in incidents
    ]
    return format_columns(rows, left=5)


def incident_lines(
    incident: Incident, notices: Sequence[Notice], command_line: CommandLine
) -> Iterator[str]:
    """Yield the lines of one incident: what failed, two samples, what was sent, and the commands
    that help next."""
    title = single_line(f"{incident.error}: {incident.title}")
    yield f"{_place(incident)}  {title}"
    yield from _count_lines(incident)
    yield from _sample_lines(incident)
    yield ""
    yield from _notice_lines(notices)
    yield from _next_commands(incident, command_line)


def _count_lines(incident: Incident) -> Iterator[str]:
    since, last = format_timestamp(incident.opened), format_timestamp(incident.last)
    state = f"{incident.effective_severity}; {incident_state(incident, datetime.now(UTC))}"
    if incident.firing is not None:
        lanes = f"{lanes_text(incident)}; " if incident.lanes else ""
        yield f"{state}; since {since} UTC; {lanes}the last word, at {last}:"
        yield f"  {escape_harmful(incident.said)}"
        width = max((len(name) for name, _ in incident.facts), default=0)
        for name, text in incident.facts:
            yield f"  {single_line(name):<{width}}  {single_line(text)}"
    else:
        yield (
            f"{state}; {grouped(incident.count)} events died since {since} UTC, the last one at "
            f"{last}, under {single_line(incident.version)}"
        )


def _sample_lines(incident: Incident) -> Iterator[str]:
    for sample in incident.samples:
        yield ""
        place = f"{sample.topic}/{sample.partition}/{sample.offset}"
        key, run = sample.key or "(none)", sample.run or "(unknown)"
        yield single_line(f"{place}, key {key}, run {run}")
        yield f"  {escape_harmful(sample.message)}".replace("\n", "\n  ")
        for line in escape_harmful(sample.data).splitlines():
            yield f"  {line}"


def _notice_lines(notices: Sequence[Notice]) -> Iterator[str]:
    for notice in sorted(notices, key=lambda each: each.written):
        if notice.delivered:
            state = f"delivered {format_day_time(notice.delivered)}"
        else:
            state = f"not yet delivered, {notice.attempts} attempts"
        yield f"{notice.kind}: {single_line(', '.join(notice.recipients)) or 'webhook'}: {state}"
        for recipient, problem in notice.failures.items():
            yield f"  {single_line(recipient)}: {single_line(problem)}"


def _next_commands(incident: Incident, command_line: CommandLine) -> Iterator[str]:
    if incident.run:
        yield command_line("run", incident.run)
    if incident.error == "data.unusual" and incident.firing:
        yield command_line("quality", "expect", incident.id, "--reason", "TEXT")
    if incident.schedule:
        yield command_line("schedules", "show", single_line(incident.schedule), "--history")
    if incident.firing is None:
        selection = single_line(dead_selection_options(incident))
        yield command_line("dead", selection)
        if incident.samples:
            offset = incident.samples[-1].dead_offset
            yield command_line("dead", "show", single_line(f"{incident.stage}/{offset}"))
        yield command_line("dead", "replay", selection)
    else:
        yield command_line("status")
    if incident.resolved is None:
        yield command_line("ack", incident.id)
        yield command_line("mute", incident.id, "--for", "2h")


def _state(incident: Incident, now: datetime) -> str:
    state = incident_state(incident, now)
    return Alarm(state) if state == "open" else state


def _place(incident: Incident) -> str:
    return f"{incident.pipeline}/{incident.stage}" if incident.stage else incident.pipeline


def _short_title(incident: Incident) -> str:
    title = single_line(f"{incident.error}: {incident.title}")
    return title if len(title) <= _MAX_TITLE_LENGTH else f"{title[: _MAX_TITLE_LENGTH - 1]}…"
