"""Which partitions does the read model follow, and what does each tell?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version
from farandole.operations.read_model.revision import source_name


class Table(StrEnum):
    """What the records of a topic are rows of."""

    TOPOLOGY = "topology"
    CONTROL = "control"
    RUNS = "runs"
    INCIDENTS = "incidents"
    ALERTS = "alerts"
    SCHEDULES = "schedules"
    LETTERS = "letters"
    SHARES = "shares"
    ENTRIES = "entries"


PASSING = frozenset({Table.SHARES, Table.ENTRIES})
"""They tell of the last minutes alone, and are no part of a revision."""


class Source(NamedTuple):
    """One partition that is followed."""

    table: Table
    topic: str
    partition: int
    name: str
    """As revisions call it."""
    pipeline: str = ""
    """Of dead letters, as is `stage`."""
    stage: str = ""


def system_tables(names: KafkaNames) -> Mapping[str, Table]:
    """Return by topic what the topics tell that every installation may have."""
    return {
        names.topology_topic: Table.TOPOLOGY,
        names.control_topic: Table.CONTROL,
        names.runs_topic: Table.RUNS,
        names.incidents_topic: Table.INCIDENTS,
        names.alerts_topic: Table.ALERTS,
        names.schedules_topic: Table.SCHEDULES,
        names.shares_topic: Table.SHARES,
        names.ledger_topic: Table.ENTRIES,
    }


def dead_topics(names: KafkaNames, versions: Iterable[Version]) -> dict[str, tuple[str, str]]:
    """Return the pipeline and the stage of each dead-letter topic."""
    return {
        names.dead_topic(version.pipeline, stage): (version.pipeline, stage)
        for version in versions
        for stage in version.stages
    }


def find_sources(
    names: KafkaNames,
    versions: Iterable[Version],
    partitions: Mapping[str, int],
    ids: Mapping[str, str],
) -> Iterator[Source]:
    """Yield what is to be followed. `partitions`: by existing topic, how many it has; `ids`:
    Kafka's ids of topics, as far as it tells them."""
    for topic, table in system_tables(names).items():
        for index in range(partitions.get(topic, 0)):
            yield Source(table, topic, index, source_name(topic, ids.get(topic, ""), index))
    for topic, (pipeline, stage) in dead_topics(names, versions).items():
        if topic in partitions:  # it has one partition
            name = source_name(topic, ids.get(topic, ""), 0)
            yield Source(Table.LETTERS, topic, 0, name, pipeline, stage)
