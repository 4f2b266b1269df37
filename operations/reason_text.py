"""Which sentence describes a reason?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from farandole.events.next_step import CommandLine, NextStep, plain_command_line
from farandole.events.number_format import grouped
from farandole.events.number_ranges import format_ranges
from farandole.events.time_format import format_elapsed, utc_timestamp
from farandole.operations.reasons import Reason

Fields = Mapping[str, Any]
Sentence = Callable[[Fields, CommandLine], str]


def reason_text(reason: Reason, command_line: CommandLine = plain_command_line) -> str:
    """Return the sentence for a reason, with commands as `command_line` writes them.

    Raises KeyError for a code that is in neither table below.
    """
    steps = (step.text(command_line) for step in reason_steps(reason))
    return "; ".join([_sentence(reason, command_line), *steps])


def reason_message(reason: Reason) -> str:
    """Return the sentence without `reason_steps`: the message of an error that has the steps."""
    return _sentence(reason, plain_command_line)


def reason_steps(reason: Reason) -> tuple[NextStep, ...]:
    """Return the commands at the end of the sentence; empty if it has none."""
    step = _STEPS.get(reason.code)
    return () if step is None else (step,)


def _sentence(reason: Reason, command_line: CommandLine) -> str:
    template = _TEMPLATES.get(reason.code)
    if template is not None:
        counts = {name: grouped(reason.fields[name]) for name in _COUNTS & reason.fields.keys()}
        return template.format(**{**reason.fields, **counts})
    return _SENTENCES[reason.code](reason.fields, command_line)


def _ledger_stopped(fields: Fields, _: CommandLine) -> str:
    behind = f", and {grouped(fields['behind'])} offsets behind" if fields["behind"] else ""
    return f"the ledger is not running{behind}: its figures are those of when it ended"


def _run_unopened(fields: Fields, command_line: CommandLine) -> str:
    audit = command_line("audit", fields["run"])
    return f"its events are here, and no root that opened it is in the books: {audit}"


def _run_late(fields: Fields, _: CommandLine) -> str:
    within = fields["within"]
    expected = "in time" if within is None else f"within {format_elapsed(within)}"
    return f"it was expected to complete {expected}, and did not"


def _run_amended(fields: Fields, _: CommandLine) -> str:
    times = "once" if fields["times"] == 1 else f"{grouped(fields['times'])} times"
    return f"amended {times}: what came after its end was settled"


def _edge_oversettled(fields: Fields, command_line: CommandLine) -> str:
    audit = command_line("audit", fields["run"])
    return (
        f"{fields['stage']} has settled {grouped(fields['events'])} more {fields['event_type']} "
        f"than were emitted: {audit} names them"
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
        f"{fields['stage']} has not settled {grouped(fields['events'])} {fields['event_type']}, "
        f"and the run is over: {audit}"
    )


def _edge_stalled(fields: Fields, _: CommandLine) -> str:
    return (
        f"{fields['stage']}: {grouped(fields['events'])} {fields['event_type']} in flight, and "
        f"none was settled for {format_elapsed(fields['seconds'])}"
    )


def _edge_dead(fields: Fields, command_line: CommandLine) -> str:
    dead = command_line("dead", "--stage", fields["stage"], "--run", fields["run"])
    events = grouped(fields["events"])
    return f"{fields['stage']}: {events} {fields['event_type']} died: {dead} says why"


def _edge_unproven(fields: Fields, _: CommandLine) -> str:
    return (
        f"{fields['stage']}: its program has no transactions, so nothing proves that all results of"
        f" {grouped(fields['events'])} {fields['event_type']} are there"
    )


def _gate_failed(fields: Fields, command_line: CommandLine) -> str:
    reasons = "; ".join(f"{key}: {why}" if why else key for key, why in fields["checks"].items())
    words = ("gates", "release", fields["run"], fields["stage"], "--reason TEXT")
    release = command_line(*words)
    events = _waiting_events(fields["events"])
    return f"{fields['stage']}: {events}, for a check has failed: {reasons}; let it in: {release}"


def _gate_waits(fields: Fields, _: CommandLine) -> str:
    where = ", ".join(f"{grouped(count)} at {name}" for name, count in fields["upstream"].items())
    until = f": {where}" if where else ""
    events = _waiting_events(fields["events"])
    return f"{fields['stage']}: {events} until all upstream is worked{until}"


def _waiting_events(number: int) -> str:
    return "1 event waits" if number == 1 else f"{grouped(number)} events wait"


def _row_differs(fields: Fields, _: CommandLine) -> str:
    more = ", …" if fields["more"] else ""
    return f"the row differs from its entries in {', '.join(fields['edges'])}{more}"


def _cause_missing(fields: Fields, command_line: CommandLine) -> str:
    return f"the cause of {fields['position']}: {reason_text(fields['reason'], command_line)}"


def _drain_unacknowledged(fields: Fields, _: CommandLine) -> str:
    lanes = fields["lanes"]
    what = f"lane {lanes[0]} has" if len(lanes) == 1 else f"lanes {format_ranges(lanes)} have"
    return f"{fields['stage']}: {what} not said yet that no further root is taken"


def _drain_program(fields: Fields, _: CommandLine) -> str:
    return f"{fields['stage']}: its program heeds no drain and goes on taking roots; stop it"


def _drain_in_flight(fields: Fields, command_line: CommandLine) -> str:
    runs = fields["runs"]
    more = ", …" if fields["more"] else ""
    see = command_line("run", runs[0])
    events = _events(fields["events"])
    return f"{fields['stage']}: {events} in flight in {', '.join(runs)}{more}: {see}"


def _drain_unread(fields: Fields, _: CommandLine) -> str:
    verb = "is" if fields["events"] == 1 else "are"
    return f"{fields['stage']}: {_events(fields['events'])} {verb} unread"


def _drain_parked(fields: Fields, _: CommandLine) -> str:
    until = fields["until"]
    last = f" until {utc_timestamp(until)}" if until is not None else ""
    verb = "waits" if fields["events"] == 1 else "wait"
    return f"{fields['stage']}: {_events(fields['events'])} {verb}{last} to be tried again"


def _stage_on_hold(fields: Fields, command_line: CommandLine) -> str:
    by = f" by {fields['by']}" if fields["by"] else ""
    until = f" until {utc_timestamp(fields['until'])}" if fields["until"] else ""
    resume = command_line("resume", fields["stage"])
    return f"{fields['stage']} is on hold{by}{until}: {resume}"


def _stage_throttled(fields: Fields, command_line: CommandLine) -> str:
    by = f" by {fields['by']}" if fields["by"] else ""
    until = f" until {utc_timestamp(fields['until'])}" if fields["until"] else ""
    lift = command_line("throttle", fields["stage"], "off")
    return f"{fields['stage']} is throttled to 0{by}{until}: {lift}"


def _stage_unworked(fields: Fields, command_line: CommandLine) -> str:
    work = command_line("work", fields["stage"])
    return f"no worker is running for {fields['stage']}: {work}"


def _offset_lost(fields: Fields, command_line: CommandLine) -> str:
    seek = command_line("seek", fields["stage"], "--to earliest|latest|OFFSET")
    return f"{fields['stage']} has stopped, because its offset is lost; decide: {seek}"


def _events(number: int) -> str:
    return "1 event" if number == 1 else f"{grouped(number)} events"


_COUNTS = frozenset({"behind", "events"})
"""Fields that are counts, where a template has them."""
_STEPS: Mapping[str, NextStep] = {
    "no_books": NextStep("", ("apply",)),
    "ledger_stopped": NextStep("", ("up",), " runs it"),
}
_TEMPLATES: Mapping[str, str] = {
    "no_books": "there are no books: no version that keeps any was applied",
    "ledger_behind": "the ledger is {behind} offsets behind",
    "edge_not_begun": "{stage} has settled none of {events} {event_type} yet",
    "edge_parked": "{stage}: {events} {event_type} are parked, to be tried again",
    "row_missing": "it has entries, and no row",
    "row_without_entries": "it has a row, and no entry",
    "partition_missing": "there is no {partition}",
    "record_gone": "{position} is gone: retention has taken everything before {first}",
    "topic_recreated": "{position} is gone: its topic was created again since",
    "record_not_written": "{position} is not written yet: the partition ends at {end}",
    "record_no_event": "{position} is no event: a transaction's marker, or a record that was "
    "aborted",
    "cause_not_named": "the id of {position} names no cause",
    "id_repeated": "{id} stands in {position} too",
    "causes_limited": "there are more causes than {limit} (--limit)",
    "effects_limited": "there are more effects than {limit} (--limit)",
    "event_not_found": "{id} itself was not found: its cause was {cause}",
    "trace_timed_out": "after {seconds:g} s there was more to look through (--within): effects are "
    "missing",
    "letter_no_position": "it does not say where the event stood",
    "letter_cut": "it was cut to fit into its topic",
    "letter_unreadable_row": "its account makes a row that no lane can read: {problem}",
    "letter_no_value": "it has no value: a tombstone is no event",
    "letter_run_unknown": "its run is not known",
    "letter_version_unknown": "its version was never published here",
    "letter_not_a_stage": "{stage} is no stage of {version}",
    "letter_not_an_input": "it stood in a topic that {stage} does not take in {version}",
    "letter_not_in_newest": "{stage} does not take {event_type} in {newest}",
    "letter_other_topic": "it stood in {topic}, and {event_type} has another topic in {newest}",
    "letter_unfit": "its data do not fit {newest}: {problem}",
    "letter_amended_unfit": "with the change its data do not fit: {problem}",
    "letter_lane_gone": "its lane is gone: {stage} has {lanes}",
    "letter_too_large": "with its headers and key it is too large for the retry topic",
    "letter_older_first": "an older letter of the same event goes first",
    "letter_not_a_root": "{version} is retired, and {event_type} is no root of {newest}",
    "letter_emitted_by_stage": "{version} is retired, and a stage has emitted the event",
    "letter_too_large_to_link": "it is too large to be linked to its run",
    "drain_changed": "a version or the drain has changed meanwhile",
    "rows_for_person": "{stage}: rows that wait until a person decides: {count}",
    "breaker_open": "{stage}: lane {lane} has an open breaker: {why}",
    "other_reasons": "for other reasons",
}
"""The sentences that need no more than their fields."""

_SENTENCES: Mapping[str, Sentence] = {
    "ledger_stopped": _ledger_stopped,
    "run_unopened": _run_unopened,
    "run_late": _run_late,
    "run_amended": _run_amended,
    "edge_oversettled": _edge_oversettled,
    "edge_differs": _edge_differs,
    "edge_unsettled": _edge_unsettled,
    "edge_stalled": _edge_stalled,
    "edge_dead": _edge_dead,
    "edge_unproven": _edge_unproven,
    "gate_failed": _gate_failed,
    "gate_waits": _gate_waits,
    "row_differs": _row_differs,
    "cause_missing": _cause_missing,
    "drain_unacknowledged": _drain_unacknowledged,
    "drain_program": _drain_program,
    "drain_in_flight": _drain_in_flight,
    "drain_unread": _drain_unread,
    "drain_parked": _drain_parked,
    "stage_on_hold": _stage_on_hold,
    "stage_throttled": _stage_throttled,
    "stage_unworked": _stage_unworked,
    "offset_lost": _offset_lost,
}
