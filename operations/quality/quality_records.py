"""What stands in `farandole.quality` about an event type, or about a run?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.check_verdict import check_key
from farandole.events.quality_findings import (
    FindingsRow,
    OverRow,
    is_findings_key,
    is_over_key,
    parse_findings_row,
    parse_over_row,
)
from farandole.events.quality_row import (
    QualityKey,
    QualityRow,
    parse_quality_key,
    parse_quality_row,
)
from farandole.events.record import Record
from farandole.events.record_time import EPOCH, known_time
from farandole.events.row_format import NewerFormatError
from farandole.ledger.edge_data import EdgeData, parse_edge_data
from farandole.ledger.profile_store import PROFILE_PREFIX
from farandole.operations.events.newest_records import newest_records


@dataclass(frozen=True, slots=True)
class QualityRecord:
    """What is known of the events of one type in one run or window."""

    data: EdgeData
    row: QualityRow
    """The row of the closed run or window, without what was added later."""
    is_open: bool = False
    """True if the run or window has not ended: then more may come."""

    @property
    def key(self) -> QualityKey:
        """The key without the part of an amendment."""
        return self.data.key


async def newest_quality(
    settings: Settings,
    pipeline: str,
    fits: Callable[[QualityKey], bool],
    count: int,
    *,
    with_open: bool = True,
) -> list[QualityRecord]:
    """Return the last `count` runs and windows whose keys fit, the newest first, what was added to
    them later included. `with_open`: those that have not ended as well. Raises BrokerError."""

    amendments: list[tuple[bytes, Record]] = []
    """Each with the key of the row that it amends."""

    def is_wanted(record: Record) -> bool:
        key = parse_quality_key(record.key or b"")
        if key is None or key.pipeline != pipeline:
            return False
        whole = key._replace(amended=None)
        if not fits(whole):
            return False
        # An amendment stands behind the row that it amends: it is met before it, and is not one of
        # those that are counted.
        if key.amended is not None:
            amendments.append((whole.record_key, record))
        return key.amended is None

    found = await _newest_rows(settings, count, is_wanted)
    by_key = {record.key or b"": record.value for record in found}
    closed = _merged(
        (key, value, False)
        for key, value in [
            *by_key.items(),
            *((each.key or b"", each.value) for whole, each in amendments if whole in by_key),
        ]
    )
    still_open: list[QualityRecord] = []
    if with_open:
        state = await read_table(settings, settings.names.bookkeeper_state_topic)
        rows = [(k.removeprefix(PROFILE_PREFIX), v) for k, v in _profile_rows(state)]
        still_open = [
            each
            for each in _merged((key, value, True) for key, value in rows)
            if each.key.pipeline == pipeline and fits(each.key)
        ]
    newest = sorted([*closed, *still_open], key=lambda each: each.row["at"], reverse=True)
    return newest[:count]


def shown_moment(at: int | None) -> datetime | None:
    """Return a time in milliseconds of the epoch as a moment; None for none."""
    return None if at is None else known_time(at) or EPOCH


async def _newest_rows(
    settings: Settings, count: int, fits: Callable[[Record], bool]
) -> list[Record]:
    """Return the last `count` records of `farandole.quality` that fit."""
    topic = settings.names.quality_topic
    async with ClusterAdmin.open(settings) as admin:
        width = (await admin.topics([topic])).get(topic, 0)
        places = [TopicPartition(topic, number) for number in range(width)]
        starts, ends = await admin.start_offsets(places), await admin.end_offsets(places)
        return await newest_records(settings, admin, count, starts, ends, fits)


class Findings(NamedTuple):
    """What was found when runs were compared with those before them."""

    rows: list[FindingsRow]
    """The newest first."""
    over: dict[str, OverRow]
    """By anomaly, that it is over."""


async def newest_findings(settings: Settings, pipeline: str, count: int) -> Findings:
    """Return what was found when each of the last `count` runs and windows was compared with those
    before it. Raises BrokerError."""
    found = await _newest_rows(
        settings,
        2 * count,  # that something is over is a row of its own
        lambda record: (
            is_findings_key(record.key or b"", pipeline) or is_over_key(record.key or b"", pipeline)
        ),
    )
    findings = Findings([], {})
    for record in reversed(found):
        try:
            if is_over_key(record.key or b"", pipeline):
                over = parse_over_row(record.value)
                if over is not None:
                    findings.over.setdefault(over["anomaly"], over)
            elif len(findings.rows) < count:
                row = parse_findings_row(record.value)
                if row is not None:
                    findings.rows.append(row)
        except NewerFormatError:
            continue
    return findings


def with_findings(record: QualityRecord, compared: Iterable[FindingsRow]) -> QualityRecord:
    """Return a record with the verdicts of the checks that compare it with those before."""
    key = record.key
    for row in compared:
        is_own = (
            row.get("run") == key.run
            if key.run is not None
            else (row.get("event") == key.event and row.get("window") == key.window)
        )
        if is_own:
            prefix = check_key(key.event, "")
            own = {k: v for k, v in row["verdicts"].items() if k.startswith(prefix)}
            known = record.row.get("verdicts", {})
            return replace(record, row={**record.row, "verdicts": {**known, **own}})
    return record


def _profile_rows(state: dict[bytes, bytes]) -> Iterable[tuple[bytes, bytes]]:
    return ((key, value) for key, value in state.items() if key.startswith(PROFILE_PREFIX))


def _merged(rows: Iterable[tuple[bytes, bytes | None, bool]]) -> list[QualityRecord]:
    """Return one record for each run and window; rows that this release cannot read are left
    out."""
    found: dict[QualityKey, QualityRecord] = {}
    for name, value, is_open in rows:
        key = parse_quality_key(name)
        if key is None:
            continue
        whole = key._replace(amended=None)
        try:
            row, data = parse_quality_row(value), parse_edge_data(whole, value)
        except NewerFormatError:
            continue
        if row is None or data is None:
            continue
        known = found.get(whole)
        if known is None:
            found[whole] = QualityRecord(data, row, is_open)
        else:
            known.data.merge(data)
            if key.amended is None:
                found[whole] = QualityRecord(known.data, row, is_open)
    return [*found.values()]
