"""Which pipelines are there, whom do they tell, and what do their schemas say?"""

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
    """What `farandole.topology` says of every pipeline, as of the rows that were given last."""

    names: KafkaNames
    versions: dict[bytes, Version] = field(default_factory=dict)
    _newest: dict[str, Version] = field(default_factory=dict)
    """By pipeline: asked for with every letter."""
    _read: dict[bytes, bytes] = field(default_factory=dict)
    _schemas: dict[tuple[str, str, str, str], Mapping[str, Any] | None] = field(
        default_factory=dict
    )

    def learn(self, rows: Mapping[bytes, bytes]) -> None:
        """Read what is new in these rows."""
        self._schemas.clear()
        for key, value in rows.items():
            if self._read.get(key) == value:
                continue
            self._read[key] = value
            try:
                said = parse_topology_row(key, value)
            except ValidationError:  # one foreign record must not end the notifier
                log.warning("topology.foreign", key=key.decode(errors="backslashreplace"))
                continue
            if isinstance(said, Version):
                self.versions[key] = said
        for key in self._read.keys() - rows.keys():
            del self._read[key]
            self.versions.pop(key, None)
        self._newest = {
            version.pipeline: version
            for version in sorted(self.versions.values(), key=lambda v: v.version)
        }

    def newest(self, pipeline: str) -> Version | None:
        return self._newest.get(pipeline)

    def alerts(self, pipeline: str) -> AlertPolicy:
        """Of a pipeline that nobody has published, nobody is told."""
        newest = self.newest(pipeline)
        return newest.alerts if newest else AlertPolicy()

    def dead_topics(self) -> list[str]:
        """Of every stage that there ever was."""
        stages = {(v.pipeline, stage) for v in self.versions.values() for stage in v.stages}
        return sorted(self.names.dead_topic(*stage) for stage in stages)

    def personal(
        self, pipeline: str, version: str, event_type: str, topic: str
    ) -> Mapping[str, Any] | None:
        """The JSON Schema of an event's data under a version (`order-lines@7`), by its type or,
        where it has none, by the topic in which it stood; None if nothing in it is personal."""
        asked = (pipeline, version, event_type, topic)
        if asked not in self._schemas:
            if len(self._schemas) >= _MAX_SCHEMAS:  # anybody may write a type into a header
                self._schemas.clear()
            self._schemas[asked] = self._personal(*asked)
        return self._schemas[asked]

    def _personal(
        self, pipeline: str, version: str, event_type: str, topic: str
    ) -> Mapping[str, Any] | None:
        known = self.versions.get(version.encode()) or self.newest(pipeline)
        if known is None or known.pipeline != pipeline:
            return None
        found = known.events.get(event_type) or _event_of_topic(known, topic)
        schema = found.data_schema if found else None
        return schema if schema and b'"personal":true' in orjson.dumps(schema) else None


def _event_of_topic(version: Version, topic: str) -> EventSpec | None:
    return next((e for e in version.events.values() if e.topic == topic), None)
