"""What has been observed of the canary of a stage so far, and is its candidate worse?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from math import log

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.topic_reader import read_table, scan
from farandole.events.canary_counts import VariantCounts, time_quantile
from farandole.events.canary_row import (
    CanaryRow,
    canary_key,
    canary_partition,
    new_canary_row,
    parse_canary_row,
)
from farandole.ledger.sequential_test import ALPHA, weigh
from farandole.operations.control.switch_scopes import StageScope, stage_scope
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.results import Result

MAX_POINTS = 200
"""How many points a line of evidence has at most."""
_MAX_ROWS = 5_000  # of the bookkeeper's state that are looked at, the newest


class VariantReport(Result):
    """The observations of one function: first attempts, one for each key and run."""

    observations: int
    failed: int
    failure_share: float | None
    """None without observations."""
    timed: int
    """The calls whose time was measured: those that succeeded, if a call has one event."""
    p50: float | None
    """Seconds; rounded up to the next bound of the histogram, as `p95`."""
    p95: float | None


class CanaryReport(Result):
    """What a canary has observed. Evidence is the decimal logarithm of an e-value."""

    generation: int
    run: str
    share: float
    candidate: VariantReport
    stable: VariantReport
    evidence: float | None
    """That the candidate is worse, by failures and times together; None without observations of
    both functions."""
    evidence_of_failures: float | None
    evidence_of_times: float | None
    ends_at: float
    """The evidence at which the bookkeeper ends the switch."""
    ended: str | None
    """Why the bookkeeper has ended the switch; None if it has not."""
    observed_at: datetime | None
    """When the newest observations were written."""


class EvidencePoint(Result):
    """What was known of a canary at one moment; evidence as in `CanaryReport`."""

    at: datetime
    candidate: int
    """First attempts of the candidate."""
    failed: int
    """Of these."""
    stable: int
    evidence: float
    evidence_of_failures: float
    evidence_of_times: float


@query
async def read_evidence(installation: Installation, stage: str) -> list[EvidencePoint]:
    """Return how the evidence of a stage's newest canary has grown, the oldest first, as far as
    compaction has left it; empty if there is none. Raises NotFoundError (`unknown_stage`,
    `nothing_applied`) and UnavailableError."""
    scope = await stage_scope(installation, stage)
    found, partition = scope.newest_switch_to("canary"), _partition(scope)
    if found is None or partition is None:
        return []
    key = canary_key(scope.version.pipeline, scope.stage)
    points: dict[int, EvidencePoint] = {}
    async with aclosing(_newest_values(scope, partition, key)) as values:
        async for value in values:
            _add_point(points, found[0], value)
    return thinned([points[each] for each in sorted(points)], MAX_POINTS)


def thinned(points: Sequence[EvidencePoint], number: int) -> list[EvidencePoint]:
    """Return at most so many of the points, evenly, with the last one."""
    if len(points) <= number:
        return [*points]
    step = (len(points) - 1) / (number - 1)
    return [points[round(index * step)] for index in range(number)]


def _add_point(points: dict[int, EvidencePoint], generation: int, value: bytes | None) -> None:
    """Add what a row says, if it is of this canary; one for each number of observations."""
    with suppress(ValueError):
        row = parse_canary_row(value or b"")
        candidate, stable = row["candidate"], row["stable"]
        if row["generation"] != generation or not (candidate["n"] and stable["n"]):
            return
        evidence = weigh(candidate, stable)
        points[candidate["n"] + stable["n"]] = EvidencePoint(
            at=datetime.fromtimestamp(row["last"] / 1000, UTC),
            candidate=candidate["n"],
            failed=candidate["failed"],
            stable=stable["n"],
            evidence=_decimal(evidence.total),
            evidence_of_failures=_decimal(evidence.failures),
            evidence_of_times=_decimal(evidence.times),
        )


async def canary_report(scope: StageScope) -> CanaryReport | None:
    """Return the report of the newest switch of a stage, also once it is over; None if it is no
    canary."""
    found = scope.newest_switch_to("canary")
    if found is None:
        return None
    generation, switch = found
    row = await _canary_row(scope)
    if row is not None and row["generation"] != generation:
        row = None
    return make_report(generation, switch.run, switch.share or 0.0, row)


def make_report(generation: int, run: str, share: float, row: CanaryRow | None) -> CanaryReport:
    """Return the report of a canary with this row; None if nothing was observed yet."""
    counts = row or new_canary_row("", "", generation, 0)
    candidate, stable = counts["candidate"], counts["stable"]
    evidence = weigh(candidate, stable) if candidate["n"] and stable["n"] else None
    return CanaryReport(
        generation=generation,
        run=run,
        share=share,
        candidate=_variant(candidate),
        stable=_variant(stable),
        evidence=None if evidence is None else _decimal(evidence.total),
        evidence_of_failures=None if evidence is None else _decimal(evidence.failures),
        evidence_of_times=None if evidence is None else _decimal(evidence.times),
        ends_at=_decimal(log(1 / ALPHA)),
        ended=counts.get("ended"),
        observed_at=None if row is None else datetime.fromtimestamp(row["last"] / 1000, UTC),
    )


async def _canary_row(scope: StageScope) -> CanaryRow | None:
    """Return the row of a stage; None if it has none that can be read."""
    partition = _partition(scope)
    if partition is None:
        return None
    value = await _newest_value(scope, partition)
    with suppress(ValueError):
        return parse_canary_row(value or b"")
    return None


def _partition(scope: StageScope) -> TopicPartition | None:
    """Return where the rows of a stage's canaries stand; None if no version keeps books."""
    newest = scope.versions[max(scope.versions)]
    if not newest.ledger:
        return None
    index = canary_partition(scope.version.pipeline, scope.stage, newest.ledger)
    return TopicPartition(scope.settings.names.bookkeeper_state_topic, index)


async def _newest_value(scope: StageScope, partition: TopicPartition) -> bytes | None:
    """Return the newest row of a stage: of a canary at work it stands near the end."""
    key = canary_key(scope.version.pipeline, scope.stage)
    values = [value async for value in _newest_values(scope, partition, key)]
    if values:
        return values[-1]
    table = await read_table(scope.settings, partition.topic, partition.partition)
    return table.get(key)


async def _newest_values(
    scope: StageScope, partition: TopicPartition, key: bytes
) -> AsyncGenerator[bytes | None]:
    """Yield the values of a key among the newest rows of a partition, the oldest first."""
    async with ClusterAdmin.open(scope.settings) as admin:
        if (await admin.topics([partition.topic])).get(partition.topic, 0) <= partition.partition:
            return
        ends = await admin.end_offsets([partition])
        start = {partition: max(0, ends[partition] - _MAX_ROWS)}
        topics = [partition.topic]
        async with aclosing(
            scan(scope.settings, topics, start=start, until=ends, admin=admin)
        ) as batches:
            async for records in batches:
                for record in records:
                    if record.key == key:
                        yield record.value


def _variant(counts: VariantCounts) -> VariantReport:
    return VariantReport(
        observations=counts["n"],
        failed=counts["failed"],
        failure_share=round(counts["failed"] / counts["n"], 6) if counts["n"] else None,
        timed=sum(counts["times"].values()),
        p50=_rounded(time_quantile(counts, 0.5)),
        p95=_rounded(time_quantile(counts, 0.95)),
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _decimal(natural: float) -> float:
    return round(natural / log(10), 2)
