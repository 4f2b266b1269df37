"""What does a worker process say to the process of a candidate, and what does it hear?

A message is a JSON object and some bytes behind it: data of events are never escaped. Each has its
length before it. The worker sends `setup` first, then `call`, with a `version` before the first
call that refers to it, and with `flags` before the first that reads them. The process answers the
setup and each call, in their order, or says why it is `lost` and ends. A call that waits for a
`limit` of the worker's says so, and hears when it has `passed`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from farandole.events.record import Header

LENGTH = struct.Struct(">I")
"""The length of a message in bytes, which stands before it."""
MAX_MESSAGE_BYTES = 96 * 1024 * 1024
"""A longer message is never sent: more than the results of one event can be, with their keys."""

Payloads = Sequence[bytes | None]


def encode_message(header: Mapping[str, Any], payloads: Payloads = ()) -> bytes:
    """Return a message with its length before it."""
    sizes = [-1 if payload is None else len(payload) for payload in payloads]
    content = {**header, "sizes": sizes}
    try:
        text = orjson.dumps(content)
    except TypeError:  # a lone surrogate in text of a foreign event
        text = json.dumps(content).encode()
    body = b"".join((LENGTH.pack(len(text)), text, *(p for p in payloads if p)))
    return LENGTH.pack(len(body)) + body


def decode_message(body: bytes) -> tuple[dict[str, Any], list[bytes | None]]:
    """Return the JSON object and the bytes of a message, given without its length."""
    (length,) = LENGTH.unpack_from(body)
    at = LENGTH.size + length
    text = body[LENGTH.size : at]
    try:
        header = orjson.loads(text)
    except orjson.JSONDecodeError:
        header = json.loads(text)
    payloads: list[bytes | None] = []
    for size in header.pop("sizes"):
        payloads.append(None if size < 0 else body[at : at + size])
        at += max(0, size)
    return header, payloads


class CandidateEvent(NamedTuple):
    """An event as a candidate gets it: a record, and what the lane knows of it."""

    version: int
    """The number of the version that handles it."""
    event_type: str
    id_name: str
    """The event type as it stands in the ids of what its events cause."""
    topic: str
    partition: int
    offset: int
    timestamp: int
    run: bytes
    is_root: bool
    key: bytes | None
    value: bytes | None
    """Its data as JSON; None for a record without a value."""
    headers: Sequence[Header] = ()
    """Only for a candidate that takes the Context."""
    attributes: Mapping[str, str] | None = None
    """The attributes in structured mode; None if the headers are the attributes."""


class CandidateOutput(NamedTuple):
    """One event that a function has returned. Nobody has emitted it."""

    event_type: str
    key: bytes | None
    """The key that it has as an event of its type: its own, or that of its cause."""
    value: bytes | None
    """Its data as JSON."""


CallOutcome = Literal["handled", "dropped", "dead"]
"""What the call made of the events. `dead`: the function raised an error or, where the stable
function did, the event became a dead letter."""


class CallResult(NamedTuple):
    """What one call of a function came to."""

    outcome: CallOutcome
    outputs: Sequence[CandidateOutput] = ()
    lines: Mapping[str, int] = {}
    """The lines of the outputs whose data are lists, by event type."""
    error: str = ""
    """The published name of the error; empty if there was none."""
    message: str = ""
    place: str = ""
    """The last line of the user's code at which the error was; empty if none is known."""
    traceback: str = ""
    """The frames of the user's code, as a dead letter has them."""
    is_retryable: bool = True
    """False for an error that is worth no other try by the stage's `retry:`, such as Reject."""
    seconds: float = 0.0


def encode_events(events: Sequence[CandidateEvent]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Return the JSON and the bytes of some events."""
    parts, payloads = [], []
    for event in events:
        part = event._asdict()
        payloads += [part.pop("key"), part.pop("value"), *(value for _, value in event.headers)]
        part["run"] = event.run.decode("latin-1")
        part["headers"] = [name for name, _ in event.headers]
        parts.append(part)
    return parts, payloads


def decode_events(parts: Sequence[dict[str, Any]], payloads: Payloads) -> list[CandidateEvent]:
    """Return the events that `encode_events` was given."""
    found, at = [], iter(payloads)
    for part in parts:
        key, value = next(at), next(at)
        headers: Any = [(name, next(at)) for name in part["headers"]]
        run = part["run"].encode("latin-1")
        found.append(
            CandidateEvent(**{**part, "key": key, "value": value, "headers": headers, "run": run})
        )
    return found


def encode_result(result: CallResult) -> tuple[dict[str, Any], list[Any]]:
    """Return the JSON and the bytes of a result."""
    part = result._asdict()
    part["outputs"] = [output.event_type for output in result.outputs]
    return part, [each for output in result.outputs for each in (output.key, output.value)]


def decode_result(part: dict[str, Any], payloads: Payloads) -> CallResult:
    """Return the result that `encode_result` was given."""
    pairs = zip(part["outputs"], payloads[::2], payloads[1::2], strict=True)
    return CallResult(**{**part, "outputs": [CandidateOutput(*each) for each in pairs]})
