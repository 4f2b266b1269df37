"""How does a dead letter say what happened to it?

Its value, key and headers are those of the event, untouched; the account stands in text headers of
one family, `dead_*`, written over and never appended to, so that they do not grow with each death.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from farandole.events.fingerprint import fingerprint, title
from farandole.events.headers import encoded
from farandole.events.record import Header, Outgoing, Record

FAMILY = "dead_"
ROOM = 256 * 1024
"""Bytes by which `max.message.bytes` of a dead-letter topic exceeds that of the data topics."""
LONGEST_NAME = 200  # characters
LONGEST_MESSAGE = 2_000  # characters
LONGEST_TRACEBACK = 8_000  # characters, its end: the last frames say most
_MARGIN = 64 * 1024  # bytes left for the record batch around the letter


@dataclass(frozen=True, slots=True)
class Death:
    """Why a stage gave up on an event."""

    stage: str
    version: str
    run: str
    """Empty where the event could not be read so far."""
    error: str
    """The exception's type, or a word of ours where there is none."""
    message: str
    traceback: str = ""
    attempts: int = 1
    """In all, also those of before it was replayed."""
    first_failed: datetime | None = None
    last_failed: datetime | None = None
    replays: int = 0
    """How often it had been replayed."""

    @classmethod
    def of(
        cls,
        error: BaseException,
        *,
        stage: str,
        version: str,
        run: str,
        attempts: int,
        first: datetime,
        replays: int = 0,
        traced: bool = True,
    ) -> Death:
        return cls(
            stage=stage,
            version=version,
            run=run,
            error=_shortened(type(error).__name__, LONGEST_NAME),
            message=said(error),
            traceback=_trace(error) if traced else "",
            attempts=attempts,
            first_failed=first,
            last_failed=datetime.now(UTC),
            replays=replays,
        )


def said(error: BaseException) -> str:
    """Its message, whatever its class does."""
    try:
        return str(error)
    except BaseException as worse:  # noqa: BLE001 -- a hostile __str__ must not kill the lane
        return f"(its message cannot be read: {type(worse).__name__})"


def _trace(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(error, limit=-20, chain=True)
        return "".join(_shortened(line, LONGEST_MESSAGE) for line in lines)
    except BaseException as worse:  # noqa: BLE001 -- as above
        return f"(its traceback cannot be read: {type(worse).__name__})"


def letter(record: Record, death: Death, *, largest: int) -> Outgoing:
    """The dead letter of a record, of at most `largest` bytes.

    Only where the original would not fit is it cut, its value if that is enough, and a header says
    so: the whole of it is still in its topic, at the position that the letter names.
    """
    account = [
        ("stage", death.stage),
        ("error", death.error),
        ("message", _shortened(death.message, LONGEST_MESSAGE)),
        ("fingerprint", fingerprint(death.stage, death.error, title(death.message))),
        ("attempts", str(death.attempts)),
        ("replays", str(death.replays)),
        ("topic", record.topic),
        ("partition", str(record.partition)),
        ("offset", str(record.offset)),
        ("timestamp", str(record.timestamp)),
        ("version", death.version),
        ("run", death.run),
    ]
    if death.first_failed:
        account.append(("first_failed", death.first_failed.isoformat()))
    if death.last_failed:
        account.append(("last_failed", death.last_failed.isoformat()))
    if death.traceback:
        account.append(("traceback", death.traceback[-LONGEST_TRACEBACK:]))
    said = [(FAMILY + name, _bytes(text)) for name, text in account]
    key, value = record.key, record.value
    headers = [h for h in record.headers if not h[0].startswith(FAMILY)]
    if size(key, value, headers + said) + _MARGIN > largest:
        key, value, headers, cut = _cut(
            key, value, headers, largest - _MARGIN - size(None, None, said)
        )
        said.append((f"{FAMILY}cut", cut.encode()))
    return Outgoing(key, value, encoded(headers + said))


def _cut(
    key: bytes | None, value: bytes | None, headers: list[Header], room: int
) -> tuple[bytes | None, bytes | None, list[Header], str]:
    """What fits into so many bytes of a record, and which part of it was cut."""
    cut = []
    if size(key, b"", headers) > room and headers:
        cut.append(f"headers: 0 of {len(headers)}")
        headers = []
    if key is not None and size(key, b"", headers) > room:
        whole, key = len(key), key[: max(0, room - size(None, b"", headers))]
        cut.append(f"key: {len(key)} of {whole} bytes")
    if value is not None and size(key, value, headers) > room:
        whole, value = len(value), value[: max(0, room - size(key, b"", headers))]
        cut.append(f"value: {len(value)} of {whole} bytes")
    return key, value, headers, "; ".join(cut)


def size(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> int:
    """Bytes that a record takes, give or take its varints."""
    return (
        len(key or b"")
        + len(value or b"")
        + sum(len(name.encode()) + len(content or b"") + 8 for name, content in headers)
        + 32
    )


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate is hostile, not fatal
