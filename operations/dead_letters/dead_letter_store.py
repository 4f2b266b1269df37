"""Which letters are in the dead-letter topics of a pipeline, and which of them are settled?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiokafka import TopicPartition

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table, scan
from farandole.catalog.published_versions import read_versions
from farandole.events.next_step import NextStep
from farandole.events.record import Record
from farandole.events.settlement_record import (
    Settlement,
    is_settlement,
    own_settlement,
    parse_settlement,
)
from farandole.events.topology_version import Version
from farandole.notifier.dead_letter_view import DeadLetterView
from farandole.notifier.pipeline_directory import PipelineDirectory
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay_builder import StageTopic
from farandole.operations.events.record_lookup import record_at

_DEFAULT_MAX_MESSAGE_BYTES = 1_048_588  # bytes: Kafka's own default of `max.message.bytes`


@dataclass(slots=True)
class DeadLetterStore:
    """The dead-letter topics of one pipeline."""

    settings: Settings
    pipeline: str
    versions: Mapping[int, Version]
    directory: PipelineDirectory
    by_name: Mapping[str, Version] = field(init=False)

    def __post_init__(self) -> None:
        self.by_name = {version.name: version for version in self.versions.values()}

    @property
    def newest(self) -> Version:
        """The newest version of the pipeline."""
        return self.versions[max(self.versions)]

    @property
    def stages(self) -> list[str]:
        """The stages of all versions, retired ones too."""
        return sorted({stage for version in self.versions.values() for stage in version.stages})

    def topic(self, stage: str) -> str:
        """Return the name of a stage's dead-letter topic."""
        return self.settings.names.dead_topic(self.pipeline, stage)

    async def settlements(self, stage: str, first: int = 0) -> dict[int, Settlement]:
        """Return, by offset, how each settled letter was settled, from offset `first` on. Raises
        BrokerError."""
        found: dict[int, Settlement] = {}
        async for records in self.records(stage, first):
            for record in records:
                own = own_settlement(record.offset, record.headers)
                if own is not None:
                    found.setdefault(record.offset, own)
                settlement = parse_settlement(record.value, record.headers)
                if settlement is None:
                    continue
                for offset in settlement.settles:
                    # A settlement settles only earlier letters, and the first one counts.
                    if offset < record.offset:
                        found.setdefault(offset, settlement)
        return found

    async def letters(
        self, stage: str, selection: LetterSelection
    ) -> AsyncGenerator[DeadLetterView]:
        """Yield the selected letters, whether or not they are settled. Raises BrokerError."""
        async with aclosing(self.records(stage, selection.first_offset(stage))) as found:
            async for records in found:
                now = datetime.now(UTC)
                for record in records:
                    if is_settlement(record.headers):
                        continue
                    letter = DeadLetterView.from_record(
                        record, self.pipeline, stage, self.directory.personal_fields, now
                    )
                    if selection.matches(letter):
                        yield letter

    async def letter_at(self, stage: str, offset: int) -> Record | None:
        """Return the letter at this offset; None if there is no letter. Raises BrokerError."""
        record = await record_at(self.settings, self.topic(stage), 0, offset)
        return None if record is None or is_settlement(record.headers) else record

    async def retry_topic(self, stage: str) -> StageTopic:
        """Return partitions and largest record of a stage's retry topic. Raises BrokerError, also
        if the stage has no retry topic."""
        topic = self.settings.names.retry_topic(self.pipeline, stage)
        async with ClusterAdmin.open(self.settings) as admin:
            lanes = (await admin.topics([topic])).get(topic)
            if lanes is None:
                raise BrokerError(f"there is no topic {topic} yet", NextStep("run", ("apply",)))
            configs = (await admin.topic_configs([topic])).get(topic, {})
        return StageTopic(
            stage, lanes, int(configs.get("max.message.bytes", _DEFAULT_MAX_MESSAGE_BYTES))
        )

    async def records(self, stage: str, first: int) -> AsyncGenerator[list[Record]]:
        """Yield the records of a stage's dead-letter topic from offset `first` on, settlements
        too. Raises BrokerError."""
        topic = self.topic(stage)
        start = {TopicPartition(topic, 0): first}
        async with aclosing(scan(self.settings, [topic], start=start)) as found:
            async for records in found:
                yield records


async def open_dead_letter_store(settings: Settings, pipeline: str) -> DeadLetterStore:
    """Return the dead-letter topics of a pipeline. Raises NothingAppliedError and BrokerError."""
    versions = await read_versions(settings, pipeline)
    directory = PipelineDirectory(settings.names)
    directory.update(await read_table(settings, settings.names.topology_topic))
    return DeadLetterStore(settings, pipeline, versions, directory)
