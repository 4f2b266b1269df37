"""How is a parked event written to a stage's retry topic?

A row's value is one line of JSON, the account of why and until when it waits, and behind it the
value of the event, untouched: kcat shows both. Bytes that the account repeats (the key, the
headers) stand in it as Latin-1, which loses none of them.

There are three kinds of rows. A *parked* row is state of the lane, which alone writes and removes
it. A *replay* row is a request to the lane, written by the command that replays a dead letter; the
lane reads it once, by its offset, and parks the event. An *order* row is another request
(`events/parked_order.py`): what is to become of an event that waits for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from farandole.events.event_position import living_name
from farandole.events.record import Header, OutgoingRecord, Record
from farandole.events.record_time import MAX_TIME_MS, known_time_ms
from farandole.events.row_format import can_be_written_again, check_format

STABLE = "stable"
"""The variant of an event that the stage's own function handles while a canary is in force."""
PARKED_PREFIX = b"parked/"
REPLAY_PREFIX = b"replay/"
ORDER_PREFIX = b"order/"
MAX_CHECKS_LENGTH = 500  # characters
RETRY_HEADROOM = 256 * 1024
"""Bytes by which `max.message.bytes` of a retry topic exceeds that of the data topics; the account
takes no more, or the event is not parked."""
MAX_RETRY_MESSAGE_LENGTH = 500  # characters
_ESCAPED_BYTES = 6  # bytes in JSON that a character takes at most: \u0000


class ParkedEvent(NamedTuple):
    """An event that waits for another try, as it was in its topic, with an account of its tries. It
    is a `Record`, so that it is handled as if it came from that topic."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    key: bytes | None
    headers: tuple[Header, ...]
    timestamp: int
    """0 if the producer of the event gave it no usable time."""
    sequence: int = 0
    """Its number in the order in which the lane parked events. Events of the same key are handled
    in this order."""
    attempts: int = 0
    """Tries since it came or was replayed."""
    before: int = 0
    """Tries before it was replayed."""
    replays: int = 0
    first_failed: int = 0
    """When it first failed, in milliseconds of the epoch as below; 0 if it has not failed."""
    last_failed: int = 0
    since: int = 0
    """When it began to wait."""
    due: int = 0
    error: str = ""
    message: str = ""
    wired_by: str = ""
    """The name of the version whose stage handles it, with that version's settings and outputs;
    empty for the event's own."""
    variant: str = ""
    """Which function has tried it last, while a canary was in force: `stable`, or the name of the
    candidate."""
    repaired: int = 0
    """1 if a person has changed the value before it was replayed."""
    checks: str = ""
    """The checks of its data that it breaks, and for which it waits for a person, without a due
    time; empty for an event that waits for its time."""
    released: int = 0
    """1 if a person has released it: the checks that let it wait are not asked again."""
    discarded: str = ""
    """Who has discarded it, when and why, as JSON (`events/parked_order.py`); empty if nobody
    has."""
    life: int = 1
    """The life of its topic when it was parked: a topic that was created again has an event at the
    same position."""
    later: Mapping[str, Any] = MappingProxyType({})
    """Fields of its row that a newer release has added: they are kept when it is parked again."""

    @property
    def waits_for_person(self) -> bool:
        """True if no time ends its wait, but only a person's order."""
        return bool(self.checks)

    @property
    def row_name(self) -> bytes:
        """The key of its row without the prefix of the kind of row."""
        return f"{living_name(self.topic, self.life)}/{self.partition}/{self.offset}".encode()


def to_parked_event(record: Record, sequence: int = 0) -> ParkedEvent:
    """Return the parked form of an event that was not tried yet; one that is parked already keeps
    its account."""
    if isinstance(record, ParkedEvent):
        return record
    return ParkedEvent(
        record.topic,
        record.partition,
        record.offset,
        record.value,
        record.key,
        tuple(record.headers),
        known_time_ms(record.timestamp) or 0,
        sequence,
    )


def make_retry_row(event: ParkedEvent, kind: bytes = PARKED_PREFIX) -> OutgoingRecord:
    """Return the row of an event in the retry topic."""
    account = {
        name: value
        for name, value in event._asdict().items()
        if value and name not in ("value", "key", "headers", "message", "life", "later")
    }
    # Written even if 0: 0 is a partition and an offset.
    account |= {"topic": event.topic, "partition": event.partition, "offset": event.offset}
    account |= event.later
    if event.value is None:
        account["null"] = True
    if event.key is not None:
        account["key"] = event.key.decode("latin-1")
    if event.headers:
        account["headers"] = [
            [name, None if content is None else content.decode("latin-1")]
            for name, content in event.headers
        ]
    if event.life > 1:
        account["life"] = event.life
    if event.checks or event.discarded:
        # A release that ignores these would call the function with the event.
        account["format"] = 3
    elif event.wired_by or event.life > 1:
        # A release that ignores these would handle the event by another version, or remove another
        # row than this one when it is settled.
        account["format"] = 2
    if event.message:
        account["message"] = event.message[:MAX_RETRY_MESSAGE_LENGTH]
    encoded = orjson.dumps(account, default=str)
    return OutgoingRecord(kind + event.row_name, b"%b\n%b" % (encoded, event.value or b""))


def max_retry_row_size(event: ParkedEvent) -> int:
    """Return an upper bound of the size of an event's row in bytes, without encoding it."""
    headers = sum(len(name) + len(content or b"") for name, content in event.headers)
    escaped = len(event.key or b"") + headers + len(event.error) + MAX_RETRY_MESSAGE_LENGTH
    escaped += len(event.checks) + len(event.discarded)
    frame = 2 * len(event.topic) + 1_000 + 20 * len(event.headers)
    if event.later:
        frame += len(orjson.dumps(dict(event.later)))
    return len(event.value or b"") + _ESCAPED_BYTES * escaped + frame


def retry_tombstone(event: ParkedEvent, kind: bytes = PARKED_PREFIX) -> OutgoingRecord:
    """Return the tombstone of an event's row."""
    return OutgoingRecord(kind + event.row_name, None)


def parse_retry_row(value: bytes) -> ParkedEvent:
    """Return the event of a row. Raises NewerFormatError, and ValueError if no worker of ours wrote
    it."""
    encoded, newline, data = value.partition(b"\n")
    try:
        account = orjson.loads(encoded)
        if not newline or not isinstance(account, dict):
            raise ValueError
        if not can_be_written_again(encoded):
            raise ValueError("a field is nested too deeply")
        check_format("retry row", account)
        account.pop("format", None)
        later = {name: account.pop(name) for name in account.keys() - _ACCOUNT_FIELDS}
        key, null = account.pop("key", None), account.pop("null", False)
        _validate_account(account)
        headers: tuple[Any, ...] = tuple(
            (str(name), None if content is None else content.encode("latin-1"))
            for name, content in account.pop("headers", ())
        )
        return ParkedEvent(
            value=None if null else data,
            key=None if key is None else key.encode("latin-1"),
            headers=headers,
            later=later,
            **{"timestamp": 0, **account},
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"no row of a retry topic: {error}") from None


_ACCOUNT_FIELDS = frozenset(ParkedEvent._fields) - {"value", "later"} | {"null"}
_TEXT_FIELDS = ("topic", "error", "message", "wired_by", "variant", "checks", "discarded")


def _validate_account(account: dict[str, Any]) -> None:
    """Raise ValueError if a field has a wrong type or value, before it becomes state of the
    lane."""
    for name, value in account.items():
        if name == "headers":
            continue
        if name in _TEXT_FIELDS:
            fits = isinstance(value, str)
        elif name == "timestamp":
            # Older releases wrote what the producer of the event had given.
            fits = type(value) is int
            account[name] = fits and (known_time_ms(value) or 0)
        else:
            fits = type(value) is int and 0 <= value <= MAX_TIME_MS
        if not fits:
            raise ValueError(f"{name} is {value!r}")
