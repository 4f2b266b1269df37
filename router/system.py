"""Which topics has an installation, whatever its pipelines are?"""

from __future__ import annotations

from farandole.broker.admin import NewTopicSpec
from farandole.events.ledger import PARTITIONS
from farandole.events.names import Names

LARGEST_VERSION = 8 * 1024 * 1024  # bytes: a version holds the schema of every event
LARGEST_ROW = 1024 * 1024  # bytes: a notice holds its mail
LEDGER_RETENTION = 7 * 86400.0  # seconds
ALERTS_RETENTION = 30 * 86400.0


def topics(names: Names) -> dict[str, NewTopicSpec]:
    """By name, the namespace included."""
    return {
        names.topology: _table(LARGEST_VERSION),
        names.control: _table(LARGEST_ROW),
        names.incidents: _table(LARGEST_ROW),
        names.outbox: _table(LARGEST_ROW),
        names.ledger: _log(PARTITIONS, LEDGER_RETENTION),
        names.runs: _table(LARGEST_ROW, PARTITIONS),
        names.bookkeeper_state: _table(LARGEST_ROW, PARTITIONS),
        names.alerts: _log(1, ALERTS_RETENTION),
    }


def _table(largest: int, partitions: int = 1) -> NewTopicSpec:
    return NewTopicSpec(
        partitions, {"cleanup.policy": "compact", "max.message.bytes": str(largest)}
    )


def _log(partitions: int, retention: float) -> NewTopicSpec:
    kept = {"cleanup.policy": "delete", "retention.ms": str(round(retention * 1000))}
    return NewTopicSpec(partitions, {**kept, "max.message.bytes": str(LARGEST_ROW)})
