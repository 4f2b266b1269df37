"""Which topics does every installation have?"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from farandole.broker.topic_spec import TopicSpec
from farandole.events.kafka_names import KafkaNames
from farandole.events.ledger_entry import DEFAULT_LEDGER_PARTITIONS

MAX_VERSION_BYTES = 8 * 1024 * 1024  # bytes: a version contains the schema of every event
MAX_ROW_BYTES = 1024 * 1024  # bytes: a notice contains its mail
MAX_SCHEDULE_BYTES = 8 * 1024 * 1024  # bytes: a row contains the planned times that wait
LEDGER_RETENTION_SECONDS = 7 * 86400.0  # seconds
ALERTS_RETENTION_SECONDS = 30 * 86400.0
FIRINGS_RETENTION_SECONDS = 90 * 86400.0
QUALITY_RETENTION_SECONDS = 400 * 86400.0  # a year, and a season before it
QUALITY_HISTORY_SECONDS = 120 * 86400.0  # read as a whole when a lane begins
GATES_RETENTION_SECONDS = 30 * 86400.0  # of dead letters, whose replay may open a gate again
ACTIONS_RETENTION_SECONDS = 90 * 86400.0
BROKER_TIME: Mapping[str, str] = MappingProxyType({"message.timestamp.type": "LogAppendTime"})
"""The configs by which the broker's clock stamps each record, whatever its producer says."""

OFTEN_COMPACTED: Mapping[str, str] = MappingProxyType(
    {
        "segment.bytes": str(16 * 1024 * 1024),
        "min.cleanable.dirty.ratio": "0.1",
        "max.compaction.lag.ms": "600000",
    }
)
"""The configs of a table whose rows change often, and that is read as a whole at a take-over."""


def system_topic_specs(names: KafkaNames) -> dict[str, TopicSpec]:
    """Return the topics by name, the namespace included."""
    return {
        names.topology_topic: _compacted_topic(MAX_VERSION_BYTES),
        names.control_topic: _compacted_topic(MAX_ROW_BYTES, configs=BROKER_TIME),
        names.shares_topic: _compacted_topic(MAX_ROW_BYTES, configs=BROKER_TIME),
        names.incidents_topic: _compacted_topic(MAX_ROW_BYTES),
        names.outbox_topic: _compacted_topic(MAX_ROW_BYTES),
        names.ledger_topic: _retained_topic(DEFAULT_LEDGER_PARTITIONS, LEDGER_RETENTION_SECONDS),
        names.runs_topic: _compacted_topic(MAX_ROW_BYTES, DEFAULT_LEDGER_PARTITIONS),
        names.bookkeeper_state_topic: _compacted_topic(MAX_ROW_BYTES, DEFAULT_LEDGER_PARTITIONS),
        names.quality_topic: _compacted_topic(
            MAX_ROW_BYTES,
            DEFAULT_LEDGER_PARTITIONS,
            {
                "cleanup.policy": "compact,delete",
                "retention.ms": str(round(QUALITY_RETENTION_SECONDS * 1000)),
            },
        ),
        names.quality_history_topic: _compacted_topic(
            MAX_ROW_BYTES,
            DEFAULT_LEDGER_PARTITIONS,
            {
                "cleanup.policy": "compact,delete",
                "retention.ms": str(round(QUALITY_HISTORY_SECONDS * 1000)),
            },
        ),
        names.quality_state_topic: _compacted_topic(MAX_ROW_BYTES, DEFAULT_LEDGER_PARTITIONS),
        names.gates_topic: _compacted_topic(
            MAX_ROW_BYTES,
            configs={
                **OFTEN_COMPACTED,
                "cleanup.policy": "compact,delete",
                "retention.ms": str(round(GATES_RETENTION_SECONDS * 1000)),
            },
        ),
        names.schedules_topic: _compacted_topic(
            MAX_SCHEDULE_BYTES, configs={**BROKER_TIME, **OFTEN_COMPACTED}
        ),
        names.firings_topic: _compacted_topic(
            MAX_ROW_BYTES,
            configs={
                "cleanup.policy": "compact,delete",
                "retention.ms": str(round(FIRINGS_RETENTION_SECONDS * 1000)),
            },
        ),
        names.alerts_topic: _retained_topic(1, ALERTS_RETENTION_SECONDS),
        names.actions_topic: _retained_topic(1, ACTIONS_RETENTION_SECONDS, BROKER_TIME),
    }


def _compacted_topic(
    largest: int, partitions: int = 1, configs: Mapping[str, str] = MappingProxyType({})
) -> TopicSpec:
    compaction = {"cleanup.policy": "compact", "max.message.bytes": str(largest)}
    return TopicSpec(partitions, {**compaction, **configs})


def _retained_topic(
    partitions: int, retention: float, configs: Mapping[str, str] = MappingProxyType({})
) -> TopicSpec:
    kept = {"cleanup.policy": "delete", "retention.ms": str(round(retention * 1000))}
    return TopicSpec(partitions, {**kept, "max.message.bytes": str(MAX_ROW_BYTES), **configs})
