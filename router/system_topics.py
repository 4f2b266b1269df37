"""Which topics does every installation have?"""

from __future__ import annotations

from farandole.broker.topic_spec import TopicSpec
from farandole.events.kafka_names import KafkaNames
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS

MAX_VERSION_BYTES = 8 * 1024 * 1024  # bytes: a version contains the schema of every event
MAX_ROW_BYTES = 1024 * 1024  # bytes: a notice contains its mail
LEDGER_RETENTION_SECONDS = 7 * 86400.0  # seconds
ALERTS_RETENTION_SECONDS = 30 * 86400.0


def system_topic_specs(names: KafkaNames) -> dict[str, TopicSpec]:
    """Return the topics by name, the namespace included."""
    return {
        names.topology_topic: _compacted_topic(MAX_VERSION_BYTES),
        names.control_topic: _compacted_topic(MAX_ROW_BYTES),
        names.incidents_topic: _compacted_topic(MAX_ROW_BYTES),
        names.outbox_topic: _compacted_topic(MAX_ROW_BYTES),
        names.ledger_topic: _retained_topic(DEFAULT_LEDGER_PARTITIONS, LEDGER_RETENTION_SECONDS),
        names.runs_topic: _compacted_topic(MAX_ROW_BYTES, DEFAULT_LEDGER_PARTITIONS),
        names.bookkeeper_state_topic: _compacted_topic(MAX_ROW_BYTES, DEFAULT_LEDGER_PARTITIONS),
        names.alerts_topic: _retained_topic(1, ALERTS_RETENTION_SECONDS),
    }


def _compacted_topic(largest: int, partitions: int = 1) -> TopicSpec:
    return TopicSpec(partitions, {"cleanup.policy": "compact", "max.message.bytes": str(largest)})


def _retained_topic(partitions: int, retention: float) -> TopicSpec:
    configs = {"cleanup.policy": "delete", "retention.ms": str(round(retention * 1000))}
    return TopicSpec(partitions, {**configs, "max.message.bytes": str(MAX_ROW_BYTES)})
