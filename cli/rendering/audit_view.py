"""How is the result of an audit shown on a terminal?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.cli.rendering.tables import Alarm
from farandole.events.next_step import CommandLine
from farandole.events.number_format import grouped
from farandole.events.safe_text import single_line
from farandole.operations.audit.topic_audit import AuditFault, AuditResult


def audit_lines(result: AuditResult, command_line: CommandLine) -> Iterator[str]:
    """Yield the lines of an audit: the differences, then what was compared."""
    for fault in result.faults:
        yield Alarm(single_line(_fault_text(fault)))
    for row in result.rows:
        yield single_line(f"{row.run}: {row.why}")
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
