"""Which pipelines are published, what are their alert policies, and which data are personal?"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from farandole.catalog.topology_table import TopologyDecoder, TopologyTable, log_foreign_row
from farandole.catalog.version_boundaries import event_type_of
from farandole.events.kafka_names import KafkaNames
from farandole.events.personal_fields import NOTHING_PERSONAL, PersonalFields, personal_fields
from farandole.events.topology_version import AlertPolicy, Version

log = structlog.get_logger()

_MAX_TYPES = 1_000


class PipelineDirectory:
    """Looks up pipelines in the rows of `farandole.topology` from the last `update`."""

    def __init__(self, names: KafkaNames) -> None:
        self._names = names
        self._decoder = TopologyDecoder(on_foreign=log_foreign_row)
        self._table = TopologyTable()
        self._fields: dict[tuple[str, str, str, str], PersonalFields] = {}

    def update(self, rows: Mapping[bytes, bytes]) -> None:
        """Replace the rows by these."""
        table = self._decoder.decode(rows)
        if table is not self._table:
            self._table = table
            self._fields.clear()
            for error in table.newer.values():
                log.warning("topology.newer", why=str(error))

    def alerts(self, pipeline: str) -> AlertPolicy:
        """Return the alert policy of a pipeline. For a pipeline that was never published, the
        policy has no routes, so that nobody is notified."""
        newest = self._table.newest_known(pipeline)
        return newest.alerts if newest else AlertPolicy()

    def versions(self, pipeline: str) -> list[Version]:
        """Return the versions of a pipeline that this release can read."""
        return [version for version in self._table.versions if version.pipeline == pipeline]

    def dead_topics(self) -> list[str]:
        """Return the dead-letter topics of all stages of all versions, sorted."""
        stages = {(v.pipeline, stage) for v in self._table.versions for stage in v.stages}
        return sorted(self._names.dead_topic(*stage) for stage in stages)

    def personal_fields(
        self, pipeline: str, version: str, event_type: str, topic: str
    ) -> PersonalFields:
        """Return what may be personal in an event; nothing if its type is not known.

        It is that of the event type under a version (`order-lines@7`), or under the newest
        version if that one is not known. If the version does not have the event type, the topic of
        the event decides which type is meant.
        """
        key = (pipeline, version, event_type, topic)
        if key not in self._fields:
            if len(self._fields) >= _MAX_TYPES:  # bounded, because a header can contain any type
                self._fields.clear()
            self._fields[key] = self._find_personal_fields(*key)
        return self._fields[key]

    def _find_personal_fields(
        self, pipeline: str, version: str, event_type: str, topic: str
    ) -> PersonalFields:
        known = self._table.by_name.get(version.encode()) or self._table.newest_known(pipeline)
        if known is None or known.pipeline != pipeline:
            return NOTHING_PERSONAL
        found = event_type if event_type in known.events else event_type_of(known, topic)
        return NOTHING_PERSONAL if found is None else personal_fields(known, found)
