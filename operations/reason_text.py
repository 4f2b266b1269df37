"""Which sentence tells a person a reason?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from farandole.events.next_step import CommandLine, NextStep, plain_command_line
from farandole.events.time_format import format_elapsed
from farandole.operations.reasons import Reason

Fields = Mapping[str, Any]
Sentence = Callable[[Fields, CommandLine], str]


def reason_text(reason: Reason, command_line: CommandLine = plain_command_line) -> str:
    """Return the sentence for a reason, with commands as `command_line` writes them.

    Raises KeyError for a code that is not in the table below.
    """
    return _SENTENCES[reason.code](reason.fields, command_line)


def _no_books(_: Fields, command_line: CommandLine) -> str:
    apply = NextStep("", ("apply",)).text(command_line)
    return f"there are no books: no version that keeps any was applied; {apply}"


def _ledger_stopped(fields: Fields, command_line: CommandLine) -> str:
    behind = f", and {fields['behind']:,} offsets behind" if fields["behind"] else ""
    step = NextStep("", ("up",), " runs it").text(command_line)
    return f"the ledger is not running{behind}: its figures are those of when it ended; {step}"


def _ledger_behind(fields: Fields, _: CommandLine) -> str:
    return f"the ledger is {fields['behind']:,} offsets behind"


def _run_unopened(fields: Fields, command_line: CommandLine) -> str:
    audit = command_line("audit", fields["run"])
    return f"its events are here, and no root that opened it is in the books: {audit}"


def _run_late(fields: Fields, _: CommandLine) -> str:
    within = fields["within"]
    expected = "in time" if within is None else f"within {format_elapsed(within)}"
    return f"it was expected to complete {expected}, and did not"


def _run_amended(fields: Fields, _: CommandLine) -> str:
    times = "once" if fields["times"] == 1 else f"{fields['times']:,} times"
    return f"amended {times}: what came after its end was settled"


def _edge_oversettled(fields: Fields, command_line: CommandLine) -> str:
    audit = command_line("audit", fields["run"])
    return (
        f"{fields['stage']} has settled {fields['events']:,} more {fields['event_type']} than were "
        f"emitted: {audit} names them"
    )


def _edge_differs(fields: Fields, command_line: CommandLine) -> str:
    audit = command_line("audit", fields["run"])
    return (
        f"{fields['stage']} has settled as many {fields['event_type']} as were emitted, and not "
        f"the same ones: {audit} names them"
    )


def _edge_unsettled(fields: Fields, command_line: CommandLine) -> str:
    audit = command_line("audit", fields["run"])
    return (
        f"{fields['stage']} has not settled {fields['events']:,} {fields['event_type']}, and the "
        f"run is over: {audit}"
    )


def _edge_not_begun(fields: Fields, _: CommandLine) -> str:
    return f"{fields['stage']} has settled none of {fields['events']:,} {fields['event_type']} yet"


def _edge_stalled(fields: Fields, _: CommandLine) -> str:
    return (
        f"{fields['stage']}: {fields['events']:,} {fields['event_type']} in flight, and none was "
        f"settled for {format_elapsed(fields['seconds'])}"
    )


def _edge_parked(fields: Fields, _: CommandLine) -> str:
    return (
        f"{fields['stage']}: {fields['events']:,} {fields['event_type']} are parked, to be tried "
        "again"
    )


def _edge_dead(fields: Fields, command_line: CommandLine) -> str:
    dead = command_line("dead", "--stage", fields["stage"], "--run", fields["run"])
    return f"{fields['stage']}: {fields['events']:,} {fields['event_type']} died: {dead} says why"


def _row_missing(_: Fields, __: CommandLine) -> str:
    return "it has entries, and no row"


def _row_without_entries(_: Fields, __: CommandLine) -> str:
    return "it has a row, and no entry"


def _row_differs(fields: Fields, _: CommandLine) -> str:
    more = ", …" if fields["more"] else ""
    return f"the row differs from its entries in {', '.join(fields['edges'])}{more}"


def _partition_missing(fields: Fields, _: CommandLine) -> str:
    return f"there is no {fields['partition']}"


def _record_gone(fields: Fields, _: CommandLine) -> str:
    return f"{fields['position']} is gone: retention has taken everything before {fields['first']}"


def _record_not_written(fields: Fields, _: CommandLine) -> str:
    return f"{fields['position']} is not written yet: the partition ends at {fields['end']}"


def _record_no_event(fields: Fields, _: CommandLine) -> str:
    return f"{fields['position']} is no event: a transaction's marker, or a record that was aborted"


def _cause_not_named(fields: Fields, _: CommandLine) -> str:
    return f"the id of {fields['position']} names no cause"


def _cause_missing(fields: Fields, command_line: CommandLine) -> str:
    return f"the cause of {fields['position']}: {reason_text(fields['reason'], command_line)}"


def _id_repeated(fields: Fields, _: CommandLine) -> str:
    return f"{fields['id']} stands in {fields['position']} too"


def _effects_limited(fields: Fields, _: CommandLine) -> str:
    return f"there are more effects than {fields['limit']} (--limit)"


def _event_not_found(fields: Fields, _: CommandLine) -> str:
    return f"{fields['id']} itself was not found: its cause was {fields['cause']}"


def _trace_timed_out(fields: Fields, _: CommandLine) -> str:
    return (
        f"after {fields['seconds']:g} s there was more to look through (--within): effects are "
        "missing"
    )


_SENTENCES: Mapping[str, Sentence] = {
    "no_books": _no_books,
    "ledger_stopped": _ledger_stopped,
    "ledger_behind": _ledger_behind,
    "run_unopened": _run_unopened,
    "run_late": _run_late,
    "run_amended": _run_amended,
    "edge_oversettled": _edge_oversettled,
    "edge_differs": _edge_differs,
    "edge_unsettled": _edge_unsettled,
    "edge_not_begun": _edge_not_begun,
    "edge_stalled": _edge_stalled,
    "edge_parked": _edge_parked,
    "edge_dead": _edge_dead,
    "row_missing": _row_missing,
    "row_without_entries": _row_without_entries,
    "row_differs": _row_differs,
    "partition_missing": _partition_missing,
    "record_gone": _record_gone,
    "record_not_written": _record_not_written,
    "record_no_event": _record_no_event,
    "cause_not_named": _cause_not_named,
    "cause_missing": _cause_missing,
    "id_repeated": _id_repeated,
    "effects_limited": _effects_limited,
    "event_not_found": _event_not_found,
    "trace_timed_out": _trace_timed_out,
}
