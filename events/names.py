"""What is every topic, group and transactional id called?"""

from __future__ import annotations

import re
from dataclasses import dataclass

RESERVED_PIPELINE = "farandole"
RESERVED_SUFFIXES = (".retry", ".state", ".dead")

# Kafka allows more, but '.' and '_' mixed in one cluster collide in metric names.
EVENT_TYPE = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
PIPELINE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
STAGE = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
NAMESPACE = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

_DEAD = re.compile(rf"({PIPELINE.pattern})\.({STAGE.pattern})\.dead")

LONGEST_TOPIC = 249  # characters, Kafka's limit


@dataclass(frozen=True, slots=True)
class Names:
    """Every name that one installation uses on a cluster.

    `namespace` is empty or one word that prefixes each topic, group and transactional id, so that
    two installations on one cluster differ in it.
    """

    namespace: str = ""

    def __post_init__(self) -> None:
        if self.namespace and not NAMESPACE.fullmatch(self.namespace):
            raise ValueError(
                f"namespace {self.namespace!r}: use lowercase letters, digits and single dashes"
            )

    @property
    def prefix(self) -> str:
        return f"{self.namespace}." if self.namespace else ""

    def topic(self, pipeline: str, event_type: str) -> str:
        return f"{self.prefix}{pipeline}.{event_type}"

    def wide(self, pipeline: str, event_type: str, partitions: int) -> str:
        """The topic of an event type that once had another number of partitions: no event type
        holds `--`."""
        return f"{self.topic(pipeline, event_type)}--{partitions}"

    def dead(self, pipeline: str, stage: str) -> str:
        return f"{self.prefix}{pipeline}.{stage}.dead"

    def retry(self, pipeline: str, stage: str) -> str:
        return f"{self.prefix}{pipeline}.{stage}.retry"

    def of_dead(self, topic: str) -> tuple[str, str] | None:
        """Pipeline and stage of a dead-letter topic; None if the topic is none of ours."""
        match = _DEAD.fullmatch(topic.removeprefix(self.prefix))
        return (match[1], match[2]) if match and topic.startswith(self.prefix) else None

    def replayer(self, pipeline: str, stage: str) -> str:
        """The transactional id under which a stage's dead letters are settled, by one at a time."""
        return f"{self.dead(pipeline, stage)}:replay"

    def group(self, pipeline: str, stage: str) -> str:
        return f"{self.prefix}{pipeline}.{stage}"

    def transactional_id(self, pipeline: str, stage: str, lane: int) -> str:
        return f"{self.prefix}{pipeline}.{stage}:{lane}"

    @property
    def topology(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.topology"

    @property
    def control(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.control"

    @property
    def ledger(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.ledger"

    @property
    def runs(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.runs"

    @property
    def alerts(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.alerts"

    @property
    def bookkeeper(self) -> str:
        """The group of the ledger's lanes, and before `:N` their transactional ids."""
        return f"{self.prefix}{RESERVED_PIPELINE}.bookkeeper"

    @property
    def bookkeeper_state(self) -> str:
        """What its lanes know beside the rows of the runs."""
        return f"{self.bookkeeper}.state"

    @property
    def incidents(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.incidents"

    @property
    def outbox(self) -> str:
        return f"{self.prefix}{RESERVED_PIPELINE}.outbox"

    @property
    def notifier(self) -> str:
        """The notifier's group, and with `:0` its transactional id."""
        return f"{self.prefix}{RESERVED_PIPELINE}.notifier"

    @property
    def monitor(self) -> str:
        """The monitor's group, and what the names of its tables' changelogs begin with."""
        return f"{self.prefix}{RESERVED_PIPELINE}.monitor"

    @property
    def router(self) -> str:
        """The transactional id under which versions are published, one router at a time."""
        return f"{self.prefix}{RESERVED_PIPELINE}.router"

    def router_hold(self, epoch: int) -> str:
        """The transactional id under which the router of an epoch holds readers back at a boundary;
        few, since Kafka remembers each."""
        return f"{self.router}.hold:{epoch % 16}"
