"""Which pipelines are published, what are their alert policies, and which data are personal?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from pydantic import ValidationError

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import AlertPolicy, EventSpec, Version, parse_topology_row

log = structlog.get_logger()

_MAX_SCHEMAS = 1_000


@dataclass(slots=True)
class PipelineDirectory:
    """The versions of every pipeline in `farandole.topology`, as of the last `update`."""

    names: KafkaNames
    versions: dict[bytes, Version] = field(default_factory=dict)
    _newest: dict[str, Version] = field(default_factory=dict)
    """By pipeline; needed for every dead letter."""
    _last_rows: dict[bytes, bytes] = field(default_factory=dict)
    _schemas: dict[tuple[str, str, str, str], Mapping[str, Any] | None] = field(
        default_factory=dict
    )

    def update(self, rows: Mapping[bytes, bytes]) -> None:
        """Replace the rows by these; only those that are new are decoded."""
        self._schemas.clear()
        for key, value in rows.items():
            if self._last_rows.get(key) == value:
                continue
            self._last_rows[key] = value
            try:
                decoded = parse_topology_row(key, value)
            except ValidationError:  # a foreign record must not end the notifier
                log.warning("topology.foreign", key=key.decode(errors="backslashreplace"))
                continue
            if isinstance(decoded, Version):
                self.versions[key] = decoded
        for key in self._last_rows.keys() - rows.keys():
            del self._last_rows[key]
            self.versions.pop(key, None)
        self._newest = {
            version.pipeline: version
            for version in sorted(self.versions.values(), key=lambda v: v.version)
        }

    def newest(self, pipeline: str) -> Version | None:
        """Return the newest version of a pipeline; None if nobody has published one."""
        return self._newest.get(pipeline)

    def alerts(self, pipeline: str) -> AlertPolicy:
        """Return the alert policy of a pipeline's newest version. That of a pipeline that nobody
        has published notifies nobody."""
        newest = self.newest(pipeline)
        return newest.alerts if newest else AlertPolicy()

    def dead_topics(self) -> list[str]:
        """Return the dead-letter topics of all stages of all versions."""
        stages = {(v.pipeline, stage) for v in self.versions.values() for stage in v.stages}
        return sorted(self.names.dead_topic(*stage) for stage in stages)

    def personal_schema(
        self, pipeline: str, version: str, event_type: str, topic: str
    ) -> Mapping[str, Any] | None:
        """Return the JSON Schema of an event's data if it marks fields as personal, else None.

        `version` is one like `order-lines@7`; the newest is taken if it is unknown. The event is
        event by its type or, if that is unknown, by its topic."""
        key = (pipeline, version, event_type, topic)
        if key not in self._schemas:
            if (
                len(self._schemas) >= _MAX_SCHEMAS
            ):  # the keys come from headers, which anybody can write
                self._schemas.clear()
            self._schemas[key] = self._find_personal_schema(*key)
        return self._schemas[key]

    def _find_personal_schema(
        self, pipeline: str, version: str, event_type: str, topic: str
    ) -> Mapping[str, Any] | None:
        known_version = self.versions.get(version.encode()) or self.newest(pipeline)
        if known_version is None or known_version.pipeline != pipeline:
            return None
        event = known_version.events.get(event_type) or _event_of_topic(known_version, topic)
        schema = event.data_schema if event else None
        return schema if schema and b'"personal":true' in orjson.dumps(schema) else None


def _event_of_topic(version: Version, topic: str) -> EventSpec | None:
    return next((e for e in version.events.values() if e.topic == topic), None)
