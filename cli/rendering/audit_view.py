"""How is the result of an audit shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice

from farandole.cli.rendering.tables import Alarm
from farandole.events.next_step import CommandLine
from farandole.events.number_format import grouped
from farandole.events.safe_text import single_line
from farandole.events.time_format import format_recent
from farandole.operations.audit.profile_audit import AuditedProfile, ProfileDifference
from farandole.operations.audit.topic_audit import AuditFault, AuditResult


def audit_lines(result: AuditResult, command_line: CommandLine) -> Iterator[str]:
    """Yield the lines of an audit: the differences, then what was compared."""
    for fault in result.faults:
        yield Alarm(single_line(_fault_text(fault)))
    for row in result.rows:
        yield single_line(f"{row.run}: {row.why}")
    for profile in result.profile_faults:
        yield from _profile_lines(profile)
    for line in result.unverifiable:
        yield single_line(line)
    if result.at_work:
        yield f"{grouped(result.at_work)} runs are at work now: look again at them later"
    if result.ahead:
        yield (
            f"{grouped(result.ahead)} runs have entries that are not in their rows yet: "
            f"{command_line('keep-books')} adds them"
        )
    verb = "differ" if result.faults else "agree"
    events = grouped(result.events)
    yield f"books and topics {verb}: {events} emitted events, and what consumed them"
    if result.rows:
        yield "rows and entries differ"
    if result.profile_faults:
        yield "profiles of data differ from those of the entries or events"
    elif result.profiles:
        yield (
            f"profiles and entries agree: {grouped(result.profiles)} profiles, "
            f"{grouped(result.profiles_of_events)} of them added up from the events too"
        )


def _fault_text(fault: AuditFault) -> str:
    text = (
        f"{fault.run}: {fault.edge}: the topics hold {grouped(fault.topics)}, the books say "
        f"{grouped(fault.books)}"
    )
    if fault.missing_in_books:
        text += f"; missing in books, or there twice: {', '.join(fault.missing_in_books)}"
    if fault.missing_in_topics:
        text += f"; missing in topics, or there twice: {', '.join(fault.missing_in_topics)}"
    return text


def _profile_lines(profile: AuditedProfile) -> Iterator[str]:
    of = profile.run or ""
    if profile.window is not None:
        of = f"the window from {format_recent(profile.window, datetime.now(UTC))}"
    for each in profile.differences:
        yield Alarm(single_line(f"{of}: {profile.edge}: {_difference_text(each)}"))
    if profile.more:
        yield f"{of}: {profile.edge}: {grouped(profile.more)} more figures differ"


def _difference_text(difference: ProfileDifference) -> str:
    where = (
        difference.figure if difference.name is None else f"{difference.name}: {difference.figure}"
    )
    if difference.part != "rows":
        where = f"{difference.part}: {where}"
    texts = [f"the row says {_figure_text(difference.kept)}"]
    if "entries" in difference.model_fields_set:
        texts.append(f"its entries {_figure_text(difference.entries)}")
    if "events" in difference.model_fields_set:
        texts.append(f"the events {_figure_text(difference.events)}")
    return f"{where}: {', '.join(texts)}"


def _figure_text(figure: object) -> str:
    if figure is None:
        return "nothing"
    if isinstance(figure, Mapping):
        shown = [f"{value}: {_figure_text(each)}" for value, each in islice(figure.items(), 3)]
        return "; ".join(shown) + ("; …" if len(figure) > len(shown) else "")
    return grouped(figure) if isinstance(figure, int) else str(figure)
