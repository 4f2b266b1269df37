"""Do the books agree with the events in the topics?"""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.ledger.audit_comparison import (
    AuditCell,
    EdgeSums,
    differing_cells,
    explain_difference,
    remove_run_weight,
    run_group,
)
from farandole.operations.audit.audit_reader import AuditReader, ReportProgress
from farandole.operations.audit.profile_audit import AuditedProfile, ProfileAudit
from farandole.operations.audit.run_row_audit import RunRowAudit
from farandole.operations.errors import NotFoundError, query
from farandole.operations.installation import Installation
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason
from farandole.operations.results import Result

_MAX_EXAMINED_EDGES = 100  # differing edges of which the missing ids are looked for


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """The runs to compare."""

    run: str | None = None
    """None: all runs of the pipeline."""


class AuditFault(Result):
    """An edge of a run, or of a group of runs, for which books and topics differ. The last two keys
    are absent if it is not known which events are missing."""

    run: str
    edge: str
    topics: int
    """Events in the topics."""
    books: int
    """Events that the books tell of."""
    missing_in_books: list[str] = Field(default_factory=list)
    """Ids that are missing there, or twice in the topics."""
    missing_in_topics: list[str] = Field(default_factory=list)


class AuditedRow(Result):
    """A run whose row differs from the fold of its ledger entries."""

    run: str
    why: str
    reason: Reason


class AuditResult(Result):
    """The result of an audit."""

    events: int
    """Emitted events that were compared."""
    faults: list[AuditFault]
    rows: list[AuditedRow]
    profiles: int
    """Profiles of data that equal those of their ledger entries."""
    profiles_of_events: int
    """How many of them also equal those of the events, as long as these are kept."""
    profile_faults: list[AuditedProfile]
    unverifiable: list[str]
    """Differences whose cause cannot be found, because retention has deleted the records."""
    at_work: int
    """Runs that changed while they were read; they are not judged."""
    ahead: int
    """Runs with entries that are not in their rows yet."""
    verdict: Literal["agree", "differ", "unverifiable"]

    def to_data(self) -> dict[str, Any]:
        """Return plain data; keys that were not set are absent."""
        return self.model_dump(mode="python", exclude_unset=True)


@query
async def audit_topics(
    installation: Installation,
    request: AuditRequest,
    progress: ReportProgress = lambda _, __, ___: None,
) -> AuditResult:
    """Compare the ledger entries with the events in the topics, the rows of runs with the fold of
    their entries, and the profiles of data with those of the entries and of the events. All topics
    are read again, at read_committed.

    Raises NotFoundError `unknown_run` if neither books nor topics know the run.
    """
    settings, run = installation.settings, request.run
    versions = await installation.versions()
    began = _now() - 1000 * settings.transaction_timeout
    async with ClusterAdmin.open(settings) as admin:
        reader = AuditReader(settings, admin, versions, began, progress)
        await reader.prepare()

        def only_run(name: str) -> Hashable | None:
            return name if name == run else None

        topics, books = await reader.sums(run_group if run is None else only_run)
        events = topics.emitted_count()
        cells = differing_cells(topics, books)
        if run is None and cells:
            groups = {group for group, _ in cells}
            topics, books = await reader.sums(lambda n: n if run_group(n) in groups else None)
            cells = differing_cells(topics, books)
        if run is not None and not [*topics, *books]:
            raise NotFoundError(
                "unknown_run", f"neither the books nor the topics know a run {run!r}", run=run
            )
        at_work = {name for name, _ in cells if name in reader.at_work}
        cells = [cell for cell in cells if cell[0] not in reader.at_work]
        ids = await reader.ids(cells[:_MAX_EXAMINED_EDGES]) if cells else {}
        profiles = ProfileAudit(settings, admin, reader)
        await profiles.compare(run)
    rows = RunRowAudit(settings, versions[min(versions)], reader.retention.books)
    await rows.compare(run)
    faults: list[AuditFault] = []
    unverifiable: list[str] = []
    for cell in cells:
        name, edge = cell
        reason = reader.retention.reason_for(edge, topics[cell], books[cell])
        if reason is not None:
            unverifiable.append(f"{name}: {edge}: {reason.text()}")
        else:
            faults.append(_fault(cell, topics, books, ids.get(cell)))
    unverifiable += rows.unverifiable + profiles.unverifiable
    differ = faults or rows.faults or profiles.faults
    return AuditResult(
        events=events,
        faults=faults,
        rows=[
            AuditedRow(run=fault.run, why=reason_text(fault.reason), reason=fault.reason)
            for fault in rows.faults
        ],
        profiles=len(profiles.agreeing),
        profiles_of_events=len(profiles.agreeing & profiles.agreeing_with_events),
        profile_faults=profiles.faults,
        unverifiable=unverifiable,
        at_work=len(at_work),
        ahead=rows.ahead,
        verdict="differ" if differ else "unverifiable" if unverifiable else "agree",
    )


def _fault(
    cell: AuditCell, topics: EdgeSums, books: EdgeSums, ids: dict[int, str] | None
) -> AuditFault:
    """`ids`: what `AuditReader.ids` returns for the cell; None if it was not examined."""
    name, edge = cell
    ours, theirs = topics[cell], books[cell]
    fields: dict[str, Any] = {
        "run": str(name), "edge": str(edge), "topics": ours.n, "books": theirs.n
    }  # fmt: skip
    if ids is not None:
        difference = remove_run_weight(ours.hash - theirs.hash, str(name))
        found = explain_difference(ours.n - theirs.n, difference, ids)
        if found is not None:
            fields |= {"missing_in_books": found[0], "missing_in_topics": found[1]}
    return AuditFault(**fields)


def _now() -> int:
    return int(time.time() * 1000)
