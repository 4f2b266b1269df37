"""Which parts of the events of a type may be personal: which of the data, and the key?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from farandole.events.personal_data_masking import has_mark, mask_personal
from farandole.events.topology_version import Version

IMPERSONAL_HEADERS = frozenset(
    {
        "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_runid",
        "ce_topologyversion", "ce_schedule", "ce_plannedtime", "content-type", "traceparent",
        "farandole-again",
    }
)  # fmt: skip
"""Headers that hold nothing personal; any other may, such as `ce_partitionkey`."""


class PersonalFields(NamedTuple):
    """What may be personal in the events of a type."""

    schema: Mapping[str, Any] | None
    """The JSON Schema of the data; None if it marks nothing, or if there is none."""
    has_key: bool
    """True if the key is, or may be, made of something personal."""

    @property
    def hides_headers(self) -> bool:
        """True if headers that are not among IMPERSONAL_HEADERS must not be shown."""
        return self.has_key or self.schema is not None


NOTHING_PERSONAL = PersonalFields(None, has_key=False)


def personal_fields(version: Version, event_type: str) -> PersonalFields:
    """Return what may be personal in the events of a type of a version.

    Without a key of its own an event has the key of its cause, which may be any other event, or
    whatever its producer has taken.
    """
    event = version.events[event_type]
    schema = event.data_schema if has_mark(event.data_schema) else None
    keyed = [event] if event.key is not None else [*version.events.values()]
    has_key = any(e.key is not None and _marks_field(e.data_schema, e.key) for e in keyed)
    return PersonalFields(schema, has_key or (event.key is None and schema is not None))


def _marks_field(schema: Mapping[str, Any] | None, name: str) -> bool:
    return bool(mask_personal({name: 0}, schema) != {name: 0})
