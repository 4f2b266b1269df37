"""How is each topic of a pipeline created: with how many partitions, and with which configs?"""

from __future__ import annotations

from collections.abc import Mapping

from farandole.broker.topic_spec import TopicSpec
from farandole.events import retry_record
from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import EventSpec, StageSpec
from farandole.router.file_model import EventSection, TopologyFile
from farandole.router.system_topics import OFTEN_COMPACTED, system_topic_specs

MAX_EVENT_BYTES = 1024 * 1024  # bytes, with headers and Kafka's overhead
# Bytes for the headers that say why an event of the largest size has failed.
DEAD_LETTER_HEADROOM_BYTES = 256 * 1024
DEAD_LETTER_RETENTION_SECONDS = 30 * 86400.0  # seconds


def event_topic_specs(
    topology: TopologyFile, events: Mapping[str, EventSpec], names: KafkaNames
) -> dict[str, TopicSpec]:
    """Return, by name, the topics of the events, of dead letters and of the installation."""
    topics = {}
    for event_type, event in events.items():
        declared = topology.events.get(event_type, EventSection()).retention
        retention = topology.defaults.retention if declared is None else declared
        topics[event.topic] = TopicSpec(
            event.partitions, retention_configs(retention, MAX_EVENT_BYTES)
        )
    for stage in topology.stages:
        topics[names.dead_topic(topology.pipeline, stage)] = dead_letter_topic_spec()
    return topics | system_topic_specs(names)


def retry_topic_specs(stages: Mapping[str, StageSpec]) -> dict[str, TopicSpec]:
    """Return, by name, the retry topics of the stages.

    Their segments are small and soon compacted: a lane reads its whole partition when it opens.
    """
    configs = _compacted_configs(MAX_EVENT_BYTES + retry_record.RETRY_HEADROOM)
    return {
        stage.parking.topic: TopicSpec(stage.parking.partitions, configs, grows=True)
        for stage in stages.values()
        if stage.parking is not None
    }


def state_topic_specs(stages: Mapping[str, StageSpec]) -> dict[str, TopicSpec]:
    """Return, by name, the topics of the state of the stages' lanes. They are compacted like retry
    topics, because a lane reads them as well when it opens."""
    configs = _compacted_configs(MAX_EVENT_BYTES)
    return {
        stage.state.topic: TopicSpec(stage.state.partitions, configs, grows=True)
        for stage in stages.values()
        if stage.state is not None
    }


def raw_topic_specs(
    stages: Mapping[str, StageSpec], retention: float | None
) -> dict[str, TopicSpec]:
    """Return, by name, the raw topics of the relayed stages. `retention`: how many seconds an
    output is kept; None for the config of the broker."""
    configs = retention_configs(retention, MAX_EVENT_BYTES)
    return {
        stage.raw.topic: TopicSpec(stage.raw.partitions, configs, grows=True)
        for stage in stages.values()
        if stage.raw is not None
    }


def dead_letter_topic_spec() -> TopicSpec:
    """Return the spec of a dead-letter topic. It has one partition, so that all failures of a stage
    have one order."""
    return TopicSpec(
        1,
        retention_configs(
            DEAD_LETTER_RETENTION_SECONDS, MAX_EVENT_BYTES + DEAD_LETTER_HEADROOM_BYTES
        ),
    )


def _compacted_configs(largest: int) -> dict[str, str]:
    return {
        "cleanup.policy": "compact",
        "max.message.bytes": str(largest),
        **OFTEN_COMPACTED,
    }


def retention_configs(seconds: float | None, largest: int) -> dict[str, str]:
    """Return the configs of a topic that deletes records after so many seconds. If `seconds` is
    None, the config of the broker applies. `largest` is the size of a record in bytes."""
    configs = {"cleanup.policy": "delete", "max.message.bytes": str(largest)}
    if seconds is not None:
        configs["retention.ms"] = str(round(seconds * 1000))
    return configs
