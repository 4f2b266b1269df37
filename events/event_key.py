"""Which Kafka key does an event get, by the field that its type names?"""

from __future__ import annotations

from enum import Enum
from typing import Any


def output_key(data: Any, field: str) -> bytes | None:
    """Return the key of an event: the text of one field of its data, a JSON object or a model.
    None where the field is absent or null: the event has no key."""
    value = data.get(field) if isinstance(data, dict) else getattr(data, field, None)
    if isinstance(value, Enum):
        value = value.value  # as in the JSON, so that other producers choose the same partition
    return None if value is None else str(value).encode()
