"""What does a dead letter tell the notifier?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from farandole.events.deadletter import FAMILY
from farandole.events.display import harmless, in_one_line
from farandole.events.envelope import STRUCTURED, Unreadable
from farandole.events.fingerprint import WRITTEN, fingerprint, title
from farandole.events.incident import Sample
from farandole.events.personal import MASK, masked, values
from farandole.events.record import Record

LONGEST_DATA = 1_200  # characters of a sample's data
LONGEST_MESSAGE = 400  # characters of a sample's message
LARGEST_DATA = 64 * 1024  # bytes of data that are parsed for a sample
_SHORTEST = 3  # characters of a personal value that are struck out of a message

_TOLD = frozenset(
    FAMILY + name for name in ("error", "message", "version", "topic", "partition", "offset", "run")
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Schema = Mapping[str, Any] | None
Schemas = Callable[[str, str, str, str], Schema]
"""By pipeline, version, event type and topic, the JSON Schema of an event that holds something
personal; None of all others."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What of an event must not be shown."""

    schema: Schema
    values: frozenset[str] = frozenset()
    unknown: bool = False
    """Its schema marks something as personal, and the data do not fit it: it may be anywhere."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter, as far as the incident that it belongs to is concerned."""

    pipeline: str
    stage: str
    error: str
    title: str
    fingerprint: str
    version: str
    time: datetime
    record: Record
    secrets: Secrets

    @classmethod
    def read(
        cls, record: Record, pipeline: str, stage: str, schemas: Schemas, now: datetime
    ) -> Letter:
        """Whatever stands in a dead-letter topic, also what no worker of ours has put there; one
        that says that it is of a later time is of now."""
        account = _account(record)
        error = in_one_line(account.get("error", ""))[:100] or "unknown"
        version = in_one_line(account.get("version", ""))[:100]
        event_type = _header(record, "ce_type")
        schema = schemas(pipeline, version, event_type, account.get("topic", ""))
        whole = _header(record, "content-type").startswith(STRUCTURED)
        secrets = _secrets(record.value, schema, unfit=whole or error == Unreadable.__name__)
        message = account.get("message", "")
        struck = _struck(message, secrets.values)
        said = title(struck)
        written = _header(record, f"{FAMILY}fingerprint") if struck == message else ""
        return cls(
            pipeline=pipeline,
            stage=stage,
            error=error,
            title=said,
            # The worker's own knows nothing of what is personal, and tells people apart by it.
            fingerprint=written
            if WRITTEN.fullmatch(written.encode())
            else fingerprint(stage, error, said),
            version=version,
            time=time_of(record.timestamp, now),
            record=record,
            secrets=secrets,
        )


def sample(letter: Letter) -> Sample:
    """The event as it may be shown: what its schema marks as personal is masked, in the message and
    in the key too."""
    record, account, secrets = letter.record, _account(letter.record), letter.secrets
    message = letter.title if secrets.unknown else account.get("message", "")[:LONGEST_MESSAGE]
    return Sample(
        dead_topic=record.topic,
        dead_offset=record.offset,
        topic=in_one_line(account.get("topic", ""))[:250],
        partition=_number(account.get("partition", "")),
        offset=_number(account.get("offset", "")),
        run=in_one_line(account.get("run", ""))[:40],
        key=_key(record.key, secrets),
        message=harmless(_struck(message, secrets.values)),
        data=_data(record.value, secrets),
        failed=letter.time,
    )


def _secrets(value: bytes | None, schema: Schema, *, unfit: bool) -> Secrets:
    """`unfit`: the data do not stand where the schema says."""
    if schema is None:
        return Secrets(None)
    content = _parsed(value)
    if content is None or unfit:
        return Secrets(schema, unknown=True)
    return Secrets(schema, frozenset(v for v in values(content, schema) if len(v) >= _SHORTEST))


def _parsed(value: bytes | None) -> Any:
    """None where it cannot be read, or is too long to be."""
    if value is None or len(value) > LARGEST_DATA:
        return None
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _account(record: Record) -> dict[str, str]:
    """Of what is told; a traceback is long, and every letter is read."""
    return {name[len(FAMILY) :]: _text(value) for name, value in record.headers if name in _TOLD}


def _header(record: Record, wanted: str) -> str:
    return next((_text(value) for name, value in record.headers if name == wanted), "")


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="backslashreplace")


def time_of(timestamp: int, now: datetime) -> datetime:
    """What a record's milliseconds say, and at the latest `now`."""
    try:
        return min(_EPOCH + timedelta(milliseconds=max(timestamp, 0)), now)
    except OverflowError:  # after the year 9999
        return now


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1


def _data(value: bytes | None, secrets: Secrets) -> str:
    if value is None:
        return "(none)"
    if secrets.unknown:
        return f"(not shown: {len(value):,} bytes that may hold what is personal anywhere)"
    content = _parsed(value)
    if content is None:
        return f"(no JSON, or a lot of it: {len(value):,} bytes)"
    shown = masked(content, secrets.schema) if secrets.schema is not None else content
    text = orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()
    return _cut(harmless(text), LONGEST_DATA)


def _key(key: bytes | None, secrets: Secrets) -> str | None:
    if key is None:
        return None
    text = key.decode(errors="backslashreplace")
    return MASK if secrets.unknown or text in secrets.values else _cut(in_one_line(text), 100)


def _struck(text: str, private: frozenset[str]) -> str:
    for value in sorted(private, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
