"""Which rows of an edge are kept from the function: because they become dead letters, or because
they wait for a person?

The checks are those of the version that handles the event. A row that breaks one that rejects is
rejected, whatever else it breaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from farandole.events.check_spec import CheckSpec
from farandole.events.personal_data_masking import PERSONAL_MASK, has_mark, mask_personal
from farandole.events.retry_record import MAX_CHECKS_LENGTH, ParkedEvent
from farandole.events.topology_version import Version
from farandole.quality.checks.row_column import MISSING, column_value
from farandole.quality.checks.row_rules import RowRule, compile_row_rules
from farandole.quality.checks.value_text import value_text
from farandole.stages.cel_expression import compile_row_condition
from farandole.stages.contract import Reject
from farandole.worker.codecs import decode_json

_MAX_NAMED = 3  # checks in a message

RowGate = Callable[[bytes, object], None]
"""Takes the JSON text of an event, and its record. Raises RowRejectedError, RowParkedError, and
UnreadableEventError for what is no JSON."""


class RowRejectedError(Reject):
    """A row breaks a check that rejects it."""

    published_name = "RowRejected"


class RowParkedError(Exception):
    """A row breaks a check that lets it wait for a person. It is no failure of the event."""

    def __init__(self, checks: str, message: str) -> None:
        """`checks`: their names, with commas."""
        super().__init__(message)
        self.checks = checks


ROW_ERRORS = (RowRejectedError, RowParkedError)
"""Errors about a row that the function did not see."""


def make_row_gate(version: Version, event_type: str, stage: str) -> RowGate | None:
    """Return what judges each event of a type before the function of a stage; None if no check of
    the version rejects or parks its rows. A program of others has seen the row before anybody could
    judge it. Raises RuleError for a check that cannot be compiled here."""
    event = version.events[event_type]
    acting: Mapping[str, CheckSpec] = {
        name: check
        for name, check in event.checks.items()
        if check.judges_rows and check.severity in ("reject", "park")
    }
    if not acting or version.stages[stage].external:
        return None
    rules = compile_row_rules(acting, compile_row_condition)
    rejecting = [rule for rule in rules if rule.check.severity == "reject"]
    parking = [rule for rule in rules if rule.check.severity == "park"]
    schema = event.data_schema if has_mark(event.data_schema) else None

    def judge(raw: bytes, record: object) -> None:
        row = decode_json(raw)
        broken = [rule for rule in rejecting if rule.is_broken_by(row)]
        if broken:
            raise RowRejectedError(_message(broken, row, schema))
        if isinstance(record, ParkedEvent) and record.released:
            return
        broken = [rule for rule in parking if rule.is_broken_by(row)]
        if broken:
            checks = ", ".join(rule.name for rule in broken)[:MAX_CHECKS_LENGTH]
            raise RowParkedError(checks, _message(broken, row, schema))

    return judge


def _message(broken: Sequence[RowRule], row: Any, schema: Mapping[str, Any] | None) -> str:
    """Return which checks a row breaks, and with which values: `price: cents is '-3', and the least
    is 0`. What is quoted is no part of a failure's title."""
    masked = mask_personal(row, schema)
    shown = [_reason(rule, row, masked) for rule in broken[:_MAX_NAMED]]
    if len(broken) > _MAX_NAMED:
        shown.append(f"and {len(broken) - _MAX_NAMED} more")
    return "; ".join(shown)


def _reason(rule: RowRule, row: Any, masked: Any) -> str:
    value = column_value(row, rule.path)
    if not rule.path:
        return f"{rule.name}: {rule.reason(value)}"
    column = ".".join(rule.path)
    if value is MISSING or value is None:
        return f"{rule.name}: {column}: {rule.reason(value)}"
    seen = column_value(masked, rule.path)
    text = PERSONAL_MASK if seen is MISSING or seen == PERSONAL_MASK else value_text(seen)
    if isinstance(value, str) and text != PERSONAL_MASK:
        text = text[1:-1]
    return f"{rule.name}: {column} is '{_unquoted(text)}', and {rule.reason(value)}"


def _unquoted(text: str) -> str:
    return text.replace("'", "’")
