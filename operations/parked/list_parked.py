"""Which rows wait for a person, because of which checks, and since when?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from farandole.catalog.ownership import VersionIndex
from farandole.events.envelope import UnreadableEventError, parse_envelope
from farandole.events.json_text import parse_json
from farandole.events.personal_data_masking import PERSONAL_MASK, mask_personal
from farandole.events.personal_fields import personal_fields
from farandole.events.record_time import past_time
from farandole.events.safe_text import single_line
from farandole.operations.errors import query
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.parked.parked_rows import ParkedRow, read_parked_rows
from farandole.operations.results import Result
from farandole.quality.checks.value_text import cut_text, row_text

MAX_DATA_LENGTH = 4_000  # characters
_WHOLE = 2**30


@dataclass(frozen=True, slots=True)
class ParkedRequest:
    """Whose rows to list."""

    stage: str | None = None
    """None: of every stage of the pipeline."""
    limit: int = 100
    check: str | None = None
    """Only rows that break this check."""


class ListedOrder(Result):
    """An order that its lane has not read yet."""

    do: Literal["release", "mend", "discard"]
    by: str
    at: datetime


class ListedRow(Result):
    """A row that waits for a person. What may be personal is masked."""

    stage: str
    position: str
    """`line.ingested/3/10482`: event type, partition and offset."""
    key: str | None
    since: datetime
    checks: list[str]
    message: str
    """What is wrong with it."""
    run: str
    version: str
    data: str
    """The beginning of its JSON text."""
    data_cut: bool
    ordered: ListedOrder | None


class ParkedKind(Result):
    """The rows of one stage that break a check; a row that breaks two is in both kinds."""

    stage: str
    check: str
    count: int
    since: datetime
    """Since when the one that has waited longest does so."""


class ParkedRows(Result):
    """The rows that wait, those of each stage that have waited longest first."""

    rows: list[ListedRow]
    total: int
    """How many wait, also those beyond the limit."""
    kinds: list[ParkedKind]
    """All that wait, by stage and check, most first, whatever check was asked for."""
    at: datetime
    """When it was read: an order can be given about the rows that waited then."""


@query
async def list_parked(installation: Installation, request: ParkedRequest) -> ParkedRows:
    """Return the rows that wait for a person. Raises NotFoundError `unknown_stage` and
    `nothing_applied`."""
    pipeline = await installation.require_pipeline()
    index = VersionIndex((await installation.versions()).values())
    found: list[ParkedRow] = []
    at = datetime.now(UTC)
    for stage in parking_stages(index, request.stage):
        found += await read_parked_rows(installation.settings, pipeline, stage, index)
    meant = [row for row in found if request.check in (None, *row.checks)]
    listed = [_listed(row, index) for row in meant[: request.limit]]
    return ParkedRows(rows=listed, total=len(meant), kinds=parked_kinds(found), at=at)


def parked_kinds(rows: Sequence[ParkedRow]) -> list[ParkedKind]:
    """Return which kinds of rows wait, the most frequent first."""
    by_kind: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        for check in row.checks:
            by_kind.setdefault((row.stage, check), []).append(row.event.since)
    now = datetime.now(UTC)
    kinds = [
        ParkedKind(stage=stage, check=check, count=len(since), since=past_time(min(since), now))
        for (stage, check), since in by_kind.items()
    ]
    return sorted(kinds, key=lambda kind: (-kind.count, kind.stage, kind.check))


def parking_stages(index: VersionIndex, stage: str | None) -> Sequence[str]:
    """Return the stages of all versions that can park rows, or the one that is named. Raises
    NotFoundError `unknown_stage`."""
    stages = sorted(
        {
            name
            for version in index.by_name.values()
            for name, each in version.stages.items()
            if not each.external
        }
    )
    return stages if stage is None else [require_known(stage, stages, "stage")]


def _listed(row: ParkedRow, index: VersionIndex) -> ListedRow:
    event, version = row.event, row.handling_version(index)
    personal = personal_fields(row.owner.version, row.owner.event_type)
    key = None if event.key is None else single_line(event.key.decode(errors="backslashreplace"))
    order = row.order
    data = shown_row(row)
    return ListedRow(
        stage=row.stage,
        position=row.position,
        key=PERSONAL_MASK if key is not None and personal.has_key else key,
        since=past_time(event.since, datetime.now(UTC)),
        checks=[*row.checks],
        message=single_line(event.message),
        run=row.run.decode(errors="backslashreplace"),
        version=version.name,
        data=cut_text(data, MAX_DATA_LENGTH),
        data_cut=len(data) > MAX_DATA_LENGTH,
        ordered=None if order is None else ListedOrder(do=order.do, by=order.by, at=order.at),
    )


def shown_row(row: ParkedRow) -> str:
    """Return the whole JSON text of a row in which what is personal is masked."""
    schema = personal_fields(row.owner.version, row.owner.event_type).schema
    try:
        data = parse_json(parse_envelope(row.event).data)
    except (UnreadableEventError, ValueError):
        return "(it cannot be read)"
    return row_text(mask_personal(data, schema), _WHOLE)
