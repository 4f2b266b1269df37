"""What does a dead letter tell the notifier?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.envelope import STRUCTURED_CONTENT_TYPE, UnreadableEventError
from farandole.events.failure_fingerprint import (
    FINGERPRINT_PATTERN,
    failure_fingerprint,
    failure_title,
)
from farandole.events.incident_record import IncidentSample
from farandole.events.personal_data_masking import PERSONAL_MASK, mask_personal, personal_values
from farandole.events.record import Record
from farandole.events.safe_text import escape_harmful, single_line

MAX_SAMPLE_DATA = 1_200  # characters of a sample's data
MAX_SAMPLE_MESSAGE = 400  # characters of a sample's message
MAX_PARSED_BYTES = 64 * 1024  # bytes of data that are parsed for a sample
_MIN_REDACTED_LENGTH = 3  # characters of a personal value that are struck out of a message

_USED_HEADERS = frozenset(
    DEAD_HEADER_PREFIX + name
    for name in ("error", "message", "version", "topic", "partition", "offset", "run")
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PersonalSchema = Mapping[str, Any] | None
SchemaLookup = Callable[[str, str, str, str], PersonalSchema]
"""By pipeline, version, event type and topic, the JSON Schema of an event that holds something
personal; None of all others."""


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What of an event must not be shown."""

    schema: PersonalSchema
    values: frozenset[str] = frozenset()
    unknown: bool = False
    """Its schema marks something as personal, and the data do not fit it: it may be anywhere."""


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    """One dead letter, as far as the incident that it belongs to is concerned."""

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
    def read(
        cls, record: Record, pipeline: str, stage: str, schemas: SchemaLookup, now: datetime
    ) -> DeadLetterView:
        """Whatever stands in a dead-letter topic, also what no worker of ours has put there; one
        that says that it is of a later time is of now."""
        account = _failure_account(record)
        error = single_line(account.get("error", ""))[:100] or "unknown"
        version = single_line(account.get("version", ""))[:100]
        event_type = _header_text(record, "ce_type")
        schema = schemas(pipeline, version, event_type, account.get("topic", ""))
        whole = _header_text(record, "content-type").startswith(STRUCTURED_CONTENT_TYPE)
        secrets = _personal_data(
            record.value, schema, unfit=whole or error == UnreadableEventError.published_name
        )
        message = account.get("message", "")
        struck = _redacted_text(message, secrets.values)
        said = failure_title(struck)
        written = (
            _header_text(record, f"{DEAD_HEADER_PREFIX}fingerprint") if struck == message else ""
        )
        return cls(
            pipeline=pipeline,
            stage=stage,
            error=error,
            title=said,
            # The worker's own knows nothing of what is personal, and tells people apart by it.
            fingerprint=written
            if FINGERPRINT_PATTERN.fullmatch(written.encode())
            else failure_fingerprint(stage, error, said),
            version=version,
            time=record_time(record.timestamp, now),
            record=record,
            secrets=secrets,
        )


def build_sample(letter: DeadLetterView) -> IncidentSample:
    """The event as it may be shown: what its schema marks as personal is masked, in the message and
    in the key too."""
    record, account, secrets = letter.record, _failure_account(letter.record), letter.secrets
    message = letter.title if secrets.unknown else account.get("message", "")[:MAX_SAMPLE_MESSAGE]
    return IncidentSample(
        dead_topic=record.topic,
        dead_offset=record.offset,
        topic=single_line(account.get("topic", ""))[:250],
        partition=_parsed_offset(account.get("partition", "")),
        offset=_parsed_offset(account.get("offset", "")),
        run=single_line(account.get("run", ""))[:40],
        key=_sample_key(record.key, secrets),
        message=escape_harmful(_redacted_text(message, secrets.values)),
        data=_sample_data(record.value, secrets),
        failed=letter.time,
    )


def _personal_data(value: bytes | None, schema: PersonalSchema, *, unfit: bool) -> PersonalData:
    """`unfit`: the data do not stand where the schema says."""
    if schema is None:
        return PersonalData(None)
    content = _parsed_json(value)
    if content is None or unfit:
        return PersonalData(schema, unknown=True)
    return PersonalData(
        schema,
        frozenset(v for v in personal_values(content, schema) if len(v) >= _MIN_REDACTED_LENGTH),
    )


def _parsed_json(value: bytes | None) -> Any:
    """None where it cannot be read, or is too long to be."""
    if value is None or len(value) > MAX_PARSED_BYTES:
        return None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _failure_account(record: Record) -> dict[str, str]:
    """Of what is told; a traceback is long, and every letter is read."""
    return {
        name[len(DEAD_HEADER_PREFIX) :]: _decoded_text(value)
        for name, value in record.headers
        if name in _USED_HEADERS
    }


def _header_text(record: Record, wanted: str) -> str:
    return next((_decoded_text(value) for name, value in record.headers if name == wanted), "")


def _decoded_text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")


def record_time(timestamp: int, now: datetime) -> datetime:
    """What a record's milliseconds say, and at the latest `now`."""
    try:
        return min(_EPOCH + timedelta(milliseconds=max(timestamp, 0)), now)
    except OverflowError:  # after the year 9999
        return now


def _parsed_offset(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def _sample_data(value: bytes | None, secrets: PersonalData) -> str:
    if value is None:
        return "(none)"
    if secrets.unknown:
        return f"(not shown: {len(value):,} bytes that may hold what is personal anywhere)"
    content = _parsed_json(value)
    if content is None:
        return f"(no JSON, or a lot of it: {len(value):,} bytes)"
    shown = mask_personal(content, secrets.schema) if secrets.schema is not None else content
    text = orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()
    return _truncated_text(escape_harmful(text), MAX_SAMPLE_DATA)


def _sample_key(key: bytes | None, secrets: PersonalData) -> str | None:
    if key is None:
        return None
    text = key.decode(errors="backslashreplace")
    return (
        PERSONAL_MASK
        if secrets.unknown or text in secrets.values
        else _truncated_text(single_line(text), 100)
    )


def _redacted_text(text: str, private: frozenset[str]) -> str:
    for value in sorted(private, key=len, reverse=True):
        text = text.replace(value, PERSONAL_MASK)
    return text


def _truncated_text(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
