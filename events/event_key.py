"""Which Kafka key does an event get, by the field that its type names?

The rule belongs to the format of the published version (`VERSION_FORMAT`), because all producers of
an event type must choose the same partition. Since format 2 the key is read from the JSON of the
event, so that a producer in any language finds it:

- a text is the key without its quotes: `"ann"` gives `ann`
- null, or no such field: the event has no key
- an object or an array is written without white space and with sorted names: `{"a":1,"b":[2]}`
- anything else is the key as it is written: `true`, `12`, `1.50`

In format 1, that of release 0.1, the key is Python's text of the value: `True`,
`2026-11-29 12:00:00`.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Any

from farandole.events.json_text import member_text, parse_json

JSON_KEYS = 2
"""The first format of versions whose keys are read from the JSON, and under which the results of a
list of events inherit no key."""


def event_key(raw: bytes, field: str, version_format: int) -> bytes | None:
    """Return the key of an event with these data, JSON; None if it has none."""
    if version_format < JSON_KEYS:
        return python_key(parse_json(raw), field)
    text = raw.decode().lstrip()
    found = member_text(text, field) if text.startswith("{") else None
    if found is None or found == "null":
        return None
    if found.startswith('"'):
        return str(json.loads(found)).encode()
    if found.startswith(("{", "[")):
        return json.dumps(
            json.loads(found), sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    return found.encode()


def python_key(data: Any, field: str) -> bytes | None:
    """Return the key of an event by format 1: the text of one field of its data, a JSON object or a
    model; None where the field is absent or null."""
    value = data.get(field) if isinstance(data, dict) else getattr(data, field, None)
    if isinstance(value, Enum):
        value = value.value
    return None if value is None else str(value).encode()
