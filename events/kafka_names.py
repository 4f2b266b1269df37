"""Which names do topics, groups and transactional ids have?"""

from __future__ import annotations

import re
from dataclasses import dataclass

RESERVED_PIPELINE = "farandole"
RESERVED_SUFFIXES = (".retry", ".state", ".dead", ".raw")

# Kafka allows more, but '.' and '_' mixed in one cluster collide in metric names.
EVENT_TYPE_PATTERN = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
PIPELINE_PATTERN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
STAGE_PATTERN = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
NAMESPACE_PATTERN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

_DEAD_TOPIC_PATTERN = re.compile(rf"({PIPELINE_PATTERN.pattern})\.({STAGE_PATTERN.pattern})\.dead")

MAX_TOPIC_LENGTH = 249  # characters, Kafka's limit


@dataclass(frozen=True, slots=True)
class KafkaNames:
    """Every name that one installation uses on a cluster.

    `namespace` is empty or one word that prefixes each topic, group and transactional id, so that
    two installations on one cluster differ in it.
    """

    namespace: str = ""

    def __post_init__(self) -> None:
        if self.namespace and not NAMESPACE_PATTERN.fullmatch(self.namespace):
            raise ValueError(
                f"namespace {self.namespace!r}: use lowercase letters, digits and single dashes"
            )

    @property
    def prefix(self) -> str:
        return f"{self.namespace}." if self.namespace else ""

    def event_topic(self, pipeline: str, event_type: str) -> str:
        return f"{self.prefix}{pipeline}.{event_type}"

    def widened_topic(self, pipeline: str, event_type: str, partitions: int) -> str:
        """Return the topic of an event type whose number of partitions was changed. (No event type
        contains `--`.)"""
        return f"{self.event_topic(pipeline, event_type)}--{partitions}"

    def dead_topic(self, pipeline: str, stage: str) -> str:
        return f"{self.prefix}{pipeline}.{stage}.dead"

    def retry_topic(self, pipeline: str, stage: str) -> str:
        return f"{self.prefix}{pipeline}.{stage}.retry"

    def state_topic(self, pipeline: str, stage: str) -> str:
        """Return the topic of the state of a stage's lanes, apart from their parked events."""
        return f"{self.prefix}{pipeline}.{stage}.state"

    def raw_topic(self, pipeline: str, stage: str) -> str:
        """Return the topic to which the program of a relayed stage writes its outputs."""
        return f"{self.prefix}{pipeline}.{stage}.raw"

    def parse_dead_topic(self, topic: str) -> tuple[str, str] | None:
        """Return the pipeline and the stage of a dead-letter topic; None for any other topic."""
        match = _DEAD_TOPIC_PATTERN.fullmatch(topic.removeprefix(self.prefix))
        return (match[1], match[2]) if match and topic.startswith(self.prefix) else None

    def replay_transactional_id(self, pipeline: str, stage: str) -> str:
        """Return the transactional id under which a stage's dead letters are settled; it lets one
        process at a time do so."""
        return f"{self.dead_topic(pipeline, stage)}:replay"

    def stage_group(self, pipeline: str, stage: str) -> str:
        return f"{self.prefix}{pipeline}.{stage}"

    def outside_group(self, pipeline: str, stage: str) -> str:
        """Return the group in which the program of a relayed stage reads the stage's inputs."""
        return f"{self.stage_group(pipeline, stage)}.outside"

    def lane_transactional_id(self, pipeline: str, stage: str, lane: int) -> str:
        return f"{self.prefix}{pipeline}.{stage}:{lane}"

    @property
    def topology_topic(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.topology"

    @property
    def control_topic(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.control"

    @property
    def shares_topic(self) -> str:
        """The topic in which lanes say which shares of a common limit they use."""
        return f"{self.prefix}{RESERVED_PIPELINE}.shares"

    @property
    def ledger_topic(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.ledger"

    @property
    def runs_topic(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.runs"

    @property
    def quality_topic(self) -> str:
        """The topic of the profiles of events, and of the verdicts over them."""
        return f"{self.prefix}{RESERVED_PIPELINE}.quality"

    @property
    def quality_history_topic(self) -> str:
        """The topic of the numbers about each run and window that later ones are compared with."""
        return f"{self.quality_topic}.history"

    @property
    def quality_state_topic(self) -> str:
        """The topic of the state of the lanes that compare runs."""
        return f"{self.quality_topic}.state"

    @property
    def quality_group(self) -> str:
        """The group of the lanes that compare runs; their transactional ids are this name and
        `:N`."""
        return f"{self.prefix}{RESERVED_PIPELINE}.quality"

    @property
    def gates_topic(self) -> str:
        """The topic that says which gated stages are open to which runs."""
        return f"{self.prefix}{RESERVED_PIPELINE}.gates"

    @property
    def alerts_topic(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.alerts"

    @property
    def bookkeeper_group(self) -> str:
        """The group of the ledger's lanes; their transactional ids are this name and `:N`."""
        return f"{self.prefix}{RESERVED_PIPELINE}.bookkeeper"

    @property
    def bookkeeper_state_topic(self) -> str:
        """The topic of the state of the bookkeeper's lanes, without the rows of the runs."""
        return f"{self.bookkeeper_group}.state"

    @property
    def schedules_topic(self) -> str:
        """The topic of the scheduler's state."""
        return f"{self.prefix}{RESERVED_PIPELINE}.schedules"

    @property
    def firings_topic(self) -> str:
        """The topic that says what became of each planned time."""
        return f"{self.prefix}{RESERVED_PIPELINE}.firings"

    @property
    def actions_topic(self) -> str:
        """The topic that says who has done what to the installation."""
        return f"{self.prefix}{RESERVED_PIPELINE}.actions"

    @property
    def scheduler_group(self) -> str:
        """The scheduler's group; its transactional id is this name and `:0`."""
        return f"{self.prefix}{RESERVED_PIPELINE}.scheduler"

    @property
    def incidents_topic(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.incidents"

    @property
    def outbox_topic(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.outbox"

    @property
    def notifier_group(self) -> str:
        """The notifier's group; its transactional id is this name and `:0`."""
        return f"{self.prefix}{RESERVED_PIPELINE}.notifier"

    @property
    def monitor_group(self) -> str:
        """The monitor's group, and the prefix of the changelog topics of its tables."""
        return f"{self.prefix}{RESERVED_PIPELINE}.monitor"

    @property
    def router_transactional_id(self) -> str:
        """The transactional id under which versions are published, one router at a time."""
        return f"{self.prefix}{RESERVED_PIPELINE}.router"

    def boundary_transactional_id(self, epoch: int) -> str:
        """Return the transactional id with which the router of an epoch stops readers at a
        boundary. There are only 16 of them, because Kafka remembers each."""
        return f"{self.router_transactional_id}.hold:{epoch % 16}"
