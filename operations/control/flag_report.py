"""Which flags have a control document, and which values have functions read?"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

from aiokafka import TopicPartition
from pydantic import Field

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.events.feature_flags import FlagSpec
from farandole.events.flag_counts import FlagCounts, added_flag_counts
from farandole.events.flag_document import FlagDocument, flag_misfit
from farandole.events.flags_in_force import FlagInForce, flags_in_force
from farandole.events.run_row import RunRow
from farandole.operations.control.switch_scopes import PipelineScope
from farandole.operations.results import Result
from farandole.operations.runs.run_rows import read_run_records
from farandole.stages.cel_expression import compile_attribute_condition

MAX_ROWS = 5_000
"""How many of the newest records of each partition of `farandole.runs` are read."""


class FlagRuleState(Result):
    """A value, and for which events."""

    value: Any
    stage: str
    share: float | None
    when: str


class FlagState(Result):
    """A flag with a document in force."""

    flag: str
    type: str
    default: Any
    rules: list[FlagRuleState]
    """In their order; the first that fits an event counts. Empty if the flag was cleared."""
    since: datetime
    until: datetime | None
    by: str
    generation: int
    reads: dict[str, dict[str, int]] = Field(default_factory=dict)
    """By stage and value, as JSON, how often functions have read the flag in the newest runs that
    were at work since then, before it too."""
    comment: str = ""


class FlagsReport(Result):
    """The flags that are set."""

    flags: list[FlagState]


async def flags_report(scope: PipelineScope) -> FlagsReport | None:
    """Return the flags with a document that fits; None if there is none. Raises BrokerError."""
    version = scope.version
    in_force = flags_in_force(scope.documents, version.pipeline, scope.now)
    fitting = {
        name: found
        for name, found in in_force.items()
        if flag_misfit(found.document, version.flags.get(name), None, compile_attribute_condition)
        is None
    }
    if not fitting:
        return None
    since = min(found.at for found in fitting.values())
    reads = await _newest_reads(scope.settings, version.pipeline, since)
    return FlagsReport(
        flags=[_state(version.flags[name], found, reads) for name, found in fitting.items()]
    )


def _state(spec: FlagSpec, found: FlagInForce, reads: Mapping[str, FlagCounts]) -> FlagState:
    document: FlagDocument = found.document
    return FlagState(
        flag=document.flag,
        type=spec.type,
        default=spec.default,
        rules=[
            FlagRuleState(value=rule.value, stage=rule.stage, share=rule.share, when=rule.when)
            for rule in document.all_rules
        ],
        since=found.at,
        until=document.until,
        by=document.by,
        comment=document.comment,
        generation=found.generation,
        reads={
            stage: counts[document.flag]
            for stage, counts in reads.items()
            if document.flag in counts
        },
    )


async def _newest_reads(
    settings: Settings, pipeline: str, since: datetime
) -> dict[str, FlagCounts]:
    """Return the reads by stage of the runs of a pipeline whose newest row was written since
    then."""
    topic = settings.names.runs_topic
    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics([topic])).get(topic)
        if width is None:
            return {}
        ends = await admin.end_offsets([TopicPartition(topic, index) for index in range(width)])
    start = {partition: max(0, end - MAX_ROWS) for partition, end in ends.items()}
    rows: dict[str, RunRow | None] = {}
    async with aclosing(read_run_records(settings, start=start)) as batches:
        async for batch in batches:
            rows.update((record.run, record.row) for record in batch)
    total: dict[str, FlagCounts] = {}
    for row in rows.values():
        if row is None or row["pipeline"] != pipeline or row["last"] < since.timestamp() * 1000:
            continue
        for stage, counts in row.get("flags", {}).items():
            total[stage] = added_flag_counts(total.get(stage, {}), counts)
    return total
