"""What does the notifier need to know about a dead letter, and which parts may it show?"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.envelope import UnreadableEventError, is_in_structured_mode
from farandole.events.failure_fingerprint import (
    FINGERPRINT_PATTERN,
    failure_fingerprint,
    failure_title,
)
from farandole.events.incident_record import IncidentSample
from farandole.events.json_text import indent_json, parse_json, rewrite_json
from farandole.events.number_format import grouped
from farandole.events.personal_data_masking import PERSONAL_MASK, mask_personal, personal_values
from farandole.events.personal_fields import PersonalFields
from farandole.events.record import Record
from farandole.events.record_time import past_time
from farandole.events.safe_text import escape_harmful, single_line

MAX_SAMPLE_DATA = 1_200  # characters
MAX_SAMPLE_MESSAGE = 400  # characters
MAX_PARSED_BYTES = 64 * 1024  # larger data are not parsed
_MIN_REDACTED_LENGTH = 3  # shorter personal values are not removed from messages

_USED_HEADERS = frozenset(
    DEAD_HEADER_PREFIX + name
    for name in ("error", "message", "version", "topic", "partition", "offset", "run")
)

FieldsLookup = Callable[[str, str, str, str], PersonalFields]
"""Takes pipeline, version, event type and topic; returns what may be personal in the event."""


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The parts of an event that must not be shown."""

    schema: Mapping[str, Any] | None
    """The JSON Schema of the data; None if it marks nothing."""
    values: frozenset[str] = frozenset()
    hides_all: bool = False
    """True if the schema marks something as personal and the data do not fit the schema: then the
    personal values could be anywhere."""
    hides_key: bool = False
    """True if the key may be made of something personal."""


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    """One dead letter: the fields that its incident needs."""

    pipeline: str
    stage: str
    error: str
    title: str
    fingerprint: str
    version: str
    time: datetime
    record: Record
    secrets: PersonalData

    @classmethod
    def from_record(
        cls, record: Record, pipeline: str, stage: str, fields_of: FieldsLookup, now: datetime
    ) -> DeadLetterView:
        """Return the view of any record in a dead-letter topic, also of one that no worker has
        written. One without a usable time, or with one after `now`, gets the time `now`."""
        account = _failure_account(record)
        error = single_line(account.get("error", ""))[:100] or "unknown"
        version = single_line(account.get("version", ""))[:100]
        event_type = _header_text(record, "ce_type")
        secrets = _personal_data(
            record.value,
            fields_of(pipeline, version, event_type, account.get("topic", "")),
            is_misplaced=error == UnreadableEventError.published_name
            or is_in_structured_mode(record),
        )
        message = account.get("message", "")
        redacted = redacted_text(message, secrets.values)
        title = failure_title(redacted, error)
        written_fingerprint = (
            _header_text(record, f"{DEAD_HEADER_PREFIX}fingerprint") if redacted == message else ""
        )
        return cls(
            pipeline=pipeline,
            stage=stage,
            error=error,
            title=title,
            # The worker computes the fingerprint from the message including personal values, so
            # that each person has another fingerprint. It is used only if the message contains
            # none.
            fingerprint=written_fingerprint
            if FINGERPRINT_PATTERN.fullmatch(written_fingerprint.encode())
            else failure_fingerprint(stage, error, title),
            version=version,
            time=past_time(record.timestamp, now),
            record=record,
            secrets=secrets,
        )


def build_sample(letter: DeadLetterView) -> IncidentSample:
    """Return the parts of the event that may be shown. Fields that the schema marks as personal are
    masked, also in the message and in the key."""
    record, account, secrets = letter.record, _failure_account(letter.record), letter.secrets
    message = letter.title if secrets.hides_all else account.get("message", "")[:MAX_SAMPLE_MESSAGE]
    return IncidentSample(
        dead_topic=record.topic,
        dead_offset=record.offset,
        topic=single_line(account.get("topic", ""))[:250],
        partition=_parsed_offset(account.get("partition", "")),
        offset=_parsed_offset(account.get("offset", "")),
        run=single_line(account.get("run", ""))[:40],
        key=_sample_key(record.key, secrets),
        message=escape_harmful(redacted_text(message, secrets.values)),
        data=_sample_data(record.value, secrets),
        failed=letter.time,
    )


def _personal_data(
    value: bytes | None, fields: PersonalFields, *, is_misplaced: bool
) -> PersonalData:
    """Return the parts that must not be shown. `is_misplaced` is True if the data are not where the
    schema expects them."""
    schema, hides_key = fields
    if schema is None:
        return PersonalData(None, hides_key=hides_key)
    content = _parsed_json(value)
    if content is None or is_misplaced:
        return PersonalData(schema, hides_all=True, hides_key=hides_key)
    # A number may be in a message as in the data or as in the text: 19.99, 19.990.
    as_written = json.loads(value or b"", parse_float=str, parse_int=str)
    secrets = personal_values(content, schema) | personal_values(as_written, schema)
    found = frozenset(v for v in secrets if len(v) >= _MIN_REDACTED_LENGTH)
    return PersonalData(schema, found, hides_key=hides_key)


def _parsed_json(value: bytes | None) -> Any:
    """Return the parsed value; None if it is not JSON, or too long to be parsed."""
    if value is None or len(value) > MAX_PARSED_BYTES:
        return None
    try:
        return parse_json(value)
    except ValueError:
        return None


def _failure_account(record: Record) -> dict[str, str]:
    """Return the `dead_` headers that this module uses, without their prefix. The traceback is left
    out, because it is long and not shown."""
    return {
        name[len(DEAD_HEADER_PREFIX) :]: _decoded_text(value)
        for name, value in record.headers
        if name in _USED_HEADERS
    }


def _header_text(record: Record, header: str) -> str:
    return next((_decoded_text(value) for name, value in record.headers if name == header), "")


def _decoded_text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")


def _parsed_offset(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def _sample_data(value: bytes | None, secrets: PersonalData) -> str:
    if value is None:
        return "(none)"
    if secrets.hides_all:
        return f"(not shown: {grouped(len(value))} bytes that may hold what is personal anywhere)"
    content = _parsed_json(value)
    if content is None:
        return f"(no JSON, or a lot of it: {grouped(len(value))} bytes)"
    shown = mask_personal(content, secrets.schema) if secrets.schema is not None else content
    text = indent_json(rewrite_json(value, shown).decode()).rstrip("\n")
    return _truncated_text(escape_harmful(text), MAX_SAMPLE_DATA)


def _sample_key(key: bytes | None, secrets: PersonalData) -> str | None:
    if key is None:
        return None
    text = key.decode(errors="backslashreplace")
    return (
        PERSONAL_MASK
        if secrets.hides_all or secrets.hides_key or text in secrets.values
        else _truncated_text(single_line(text), 100)
    )


def redacted_text(text: str, personal: frozenset[str]) -> str:
    """Return the text with `•••` for each of the personal values in it."""
    for value in sorted(personal, key=len, reverse=True):
        text = text.replace(value, PERSONAL_MASK)
    return text


def _truncated_text(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[:max_length]}…"
