"""What does a console ask, and what is it told when something changes?

The read model follows what an installation writes about itself, and answers from memory. Any number
of them may run beside each other; each of them is enough.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import structlog
from pydantic import BaseModel

from farandole.broker.backoff import Backoff, is_logged
from farandole.catalog.topology_table import TopologyTable
from farandole.events.alert_record import Alert
from farandole.events.controls_in_force import TimedDocument
from farandole.events.incident_record import Incident
from farandole.events.run_row import RunRow, parse_run_row
from farandole.events.topology_version import Version
from farandole.ledger.overdue_schedules import OverdueSchedules
from farandole.operations.control.control_query import read_control_state
from farandole.operations.dead_letters.open_letter_counts import OpenLetterCount
from farandole.operations.errors import (
    InvalidRequestError,
    NotFoundError,
    OperationError,
    operation,
)
from farandole.operations.events.record_lookup import record_at
from farandole.operations.graph.figures_cache import FiguresCache, read_figures
from farandole.operations.graph.pipeline_figures import EdgeFacts, PipelineFigures
from farandole.operations.graph.read_figures import FollowedTables
from farandole.operations.incidents.incidents import ListedIncident
from farandole.operations.installation import Installation
from farandole.operations.read_model.attention import (
    AttentionItem,
    count_unacknowledged,
    find_attention,
)
from farandole.operations.read_model.change_journal import ChangeJournal
from farandole.operations.read_model.edge_facts import find_edge_facts
from farandole.operations.read_model.folded_tables import FoldedTables, wall_clock
from farandole.operations.read_model.freshness import Freshness, Staleness
from farandole.operations.read_model.gate_queues import gate_queues
from farandole.operations.read_model.live_views import ComputedRows, LiveView, Rows, ViewChange
from farandole.operations.read_model.log_follower import Loading, LogFollower
from farandole.operations.read_model.open_letters import OpenLetterHead
from farandole.operations.read_model.revision import Revision
from farandole.operations.read_model.run_durations import durations_before, measure_durations
from farandole.operations.read_model.run_search import count_runs, search_runs, wide_query
from farandole.operations.read_model.runs_query import (
    RunPlace,
    RunsOverview,
    RunsPage,
    RunsQuery,
    VersionCount,
)
from farandole.operations.read_model.schedule_states import (
    find_schedule_states,
    run_statuses,
    schedule_scope,
)
from farandole.operations.read_model.shut_runs import shut_runs
from farandole.operations.read_model.sources import Table
from farandole.operations.read_model.stage_history import StageHistory, stage_history
from farandole.operations.results import Result
from farandole.operations.runs.run_rows import read_run_row
from farandole.operations.schedules.schedule_reader import (
    ScheduleFacts,
    unfit_schedule_controls,
)
from farandole.operations.schedules.schedule_state import ScheduleState
from farandole.operations.schedules.schedule_table import count_schedulers

log = structlog.get_logger()

T = TypeVar("T")

NEWEST_RUNS = 100
"""How many runs the view of runs begins with."""
RESOLVED_INCIDENTS = 100
"""How many resolved incidents the view of incidents begins with."""
_MEASURED_RUNS = 120
MAX_VIEWS = 64
"""How many views one stream may have."""
_DELTA_INTERVAL = 0.25  # seconds: at most four deltas a second
_COMPUTE_INTERVAL = 1.0
_SCHEDULES_INTERVAL = 5.0
_MEASURE_INTERVAL = 2.0
_ATTENTION_INTERVAL = 5.0  # where nobody looks at the figures of a pipeline
_SHARE_OF_A_CORE = 0.02  # that computing, and measuring, may take each
_RETRY = Backoff(first=1.0, longest=10.0)

COMPUTED_VIEWS = ("status", "attention", "run-counts", "schedules")


class ModelStatus(Result):
    """How far the read model is to be trusted."""

    is_stale: bool
    current: int | None
    """The data contain everything that could be read then; milliseconds of the epoch."""
    answered: int | None
    """When Kafka has answered last."""
    loading: Loading | None
    """None once all runs are loaded."""
    runs: int
    """How many runs are known."""
    left_out: int
    """How many older runs are not, because they are too many."""
    skipped: int
    """How many records could not be read."""
    open_letters: int
    """Of all stages."""
    open_letters_more: bool
    """True if there may be more."""
    incidents: int
    """How many wait for somebody to acknowledge them."""


class PublishedVersion(Result):
    """A version in one line."""

    pipeline: str
    version: int
    published: datetime
    published_by: str
    rollback_of: int | None
    retired: datetime | None


class Delta(Result):
    """What has changed in some views."""

    revision: str
    """Up to where the changes go."""
    views: dict[str, ViewChange]


class ReadModel:
    """Answers from memory; `open_read_model` makes it."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._tables = FoldedTables()
        self._freshness = Freshness()
        self._moved = asyncio.Event()
        self._follower = LogFollower(
            installation.settings, self._tables, self._freshness, self._move
        )
        self.figures = FiguresCache(self.edge_facts, self.followed)
        """What is on the stages and edges of the pipelines that somebody looks at."""
        self._figures: dict[str, PipelineFigures] = {}
        self._overdue = OverdueSchedules()
        self._schedules: list[ScheduleState] = []
        self._computed: dict[str, ComputedRows] = {name: ComputedRows() for name in COMPUTED_VIEWS}
        self._watched: Counter[str] = Counter()
        self._wanted = asyncio.Event()
        self._is_closed = False
        self._searching = asyncio.Lock()
        """One search at a time leaves the others of this process their turn."""

    # Questions

    @property
    def revision(self) -> Revision:
        """Up to where everything was read."""
        return self._tables.revision

    @property
    def staleness(self) -> Staleness:
        """How old the data are."""
        return self._freshness.staleness()

    @property
    def topology(self) -> TopologyTable:
        """The published versions."""
        return self._tables.topology

    @property
    def controls(self) -> Mapping[bytes, TimedDocument]:
        """The control documents by their keys, in the order of the log."""
        return self._tables.documents

    def status(self) -> ModelStatus:
        """Return how far the data are to be trusted."""
        staleness = self.staleness
        heads = self.letters()
        return ModelStatus(
            is_stale=staleness.is_stale,
            current=staleness.current,
            answered=staleness.answered,
            loading=self._follower.loading(),
            runs=len(self._tables.runs),
            left_out=self._tables.runs.left_out,
            skipped=len(self._tables.skipped),
            open_letters=sum(head.count for head in heads),
            open_letters_more=any(head.more for head in heads),
            incidents=count_unacknowledged(self._tables.incidents.values(), datetime.now(UTC)),
        )

    async def runs(self, query: RunsQuery) -> RunsPage:
        """Return a page of runs, the newest first. Raises InvalidRequestError
        (`invalid_request`)."""
        index = self._tables.runs
        if query.is_filtered:
            async with self._searching:
                found = await asyncio.to_thread(search_runs, index.snapshot(), query)
        else:
            found = index.page(query)
        first = RunPlace((found.runs[0].opened, found.runs[0].run)) if found.runs else None
        return RunsPage(
            runs=found.runs,
            cursor=found.cursor,
            total=found.total,
            before=durations_before(found.runs, index.newest_first(first)),
            revision=str(self.revision),
        )

    async def runs_overview(self, query: RunsQuery) -> RunsOverview:
        """Return how many runs match by status and version, as if the query asked for all of both,
        and how long the newest of them took."""
        index = self._tables.runs
        facets, newest = index.facets(), index.newest(_MEASURED_RUNS)
        if wide_query(query).is_filtered:
            async with self._searching:
                facets, newest = await asyncio.to_thread(
                    count_runs, index.snapshot(), query, _MEASURED_RUNS
                )
        return RunsOverview(
            statuses=dict(facets.statuses),
            late=facets.late,
            total=sum(facets.statuses.values()),
            versions=[
                VersionCount(pipeline=pipeline, version=version, runs=runs)
                for (pipeline, version), runs in sorted(
                    facets.versions.items(), key=lambda each: (each[0][0], -each[0][1])
                )
            ],
            durations=measure_durations(newest),
            revision=str(self.revision),
        )

    def run_counts(self) -> Mapping[str, Mapping[str, int]]:
        """Return by pipeline how many runs have each status, and how many are `late`."""
        return self._tables.runs.counts()

    @operation
    async def run_row(self, run: str) -> RunRow:
        """Return the newest row of a run. Raises NotFoundError (`unknown_run`) and
        UnavailableError."""
        known = self._tables.runs.get(run)
        value = self._tables.recent_row(run)
        if value is None and known is not None:
            source = self._tables.source(known.place.source)
            record = source and await record_at(
                self._installation.settings, source.topic, source.partition, known.place.offset
            )
            value = record.value if record else None
        row = parse_run_row(value)
        if row is not None:
            return row
        if known is None and self._follower.loading() is None and not self.staleness.is_stale:
            raise NotFoundError("unknown_run", f"the books know no run {run!r}", run=run)
        return await read_run_row(self._installation.settings, run)

    def incidents(self) -> list[Incident]:
        """Return all stored incidents: open ones first, the last to fail first."""
        return sorted(
            self._tables.incidents.values(),
            key=lambda each: (each.resolved is not None, -each.last.timestamp()),
        )

    def alerts(self) -> list[Alert]:
        """Return the alerts that fire."""
        return [*self._tables.alerts.values()]

    def letters(self, pipeline: str | None = None) -> list[OpenLetterHead]:
        """Return the open letters by stage, of one pipeline or of all."""
        heads = self._tables.letters().values()
        return [each for each in heads if pipeline in (None, each.pipeline)]

    def schedules(self) -> list[ScheduleState]:
        """Return the schedules of the versions in force, as they stand now."""
        self._schedules = find_schedule_states(
            self._tables, self._overdue, self._installation.folder, datetime.now(UTC)
        )
        return self._schedules

    async def schedule_facts(self) -> ScheduleFacts | None:
        """Return everything that is known of schedules; None while it may be out of date, or runs
        are missing. Control documents are read anew: who has written one sees it. Raises
        BrokerError."""
        if not self._is_whole():
            return None
        documents = [*(await read_control_state(self._installation.settings)).values()]
        now = datetime.now(UTC)
        folder, topology = self._installation.folder, self.topology
        return ScheduleFacts(
            topology,
            schedule_scope(self._tables, documents, self._overdue, folder, now),
            await count_schedulers(self._installation.settings),
            unfit_schedule_controls(documents, topology, now),
        )

    def run_statuses(self, runs: Collection[str]) -> dict[str, str] | None:
        """Return the status of each of these runs that is known; None while that may be out of
        date, or runs are missing."""
        return run_statuses(self._tables, runs) if self._is_whole() else None

    def _is_whole(self) -> bool:
        """Return True if everything is known, and current."""
        staleness = self.staleness
        is_current = not staleness.is_stale and staleness.current is not None
        return is_current and self._follower.loading() is None

    def pipelines(self) -> list[str]:
        """Return the names of all published pipelines."""
        return self.topology.pipelines()

    @operation
    async def versions(self, pipeline: str) -> Sequence[Version]:
        """Return the versions of a pipeline, oldest first. Raises NotFoundError
        (`pipeline_unknown`) and ConflictError (`newer_format`)."""
        versions = self.topology.of(pipeline)
        if not versions:
            known = ", ".join(self.pipelines()) or "none was"
            raise NotFoundError(
                "pipeline_unknown",
                f"no version of a pipeline {pipeline!r} was published: {known}",
                pipeline=pipeline,
            )
        return versions

    def edge_facts(self, pipeline: str) -> Mapping[str, EdgeFacts] | None:
        """Return what the books say of the edges of a pipeline, by name (`find_edge_facts`); None
        if no version of it is known."""
        version = self.topology.newest_known(pipeline)
        if version is None:
            return None
        return find_edge_facts(version, self._tables.edges, self._tables.rates, wall_clock())

    def in_flight(self, pipeline: str) -> Mapping[str, int | None] | None:
        """Return how many events are in flight on each edge of a pipeline, by its name, None of a
        root; None if no version of the pipeline is known."""
        facts = self.edge_facts(pipeline)
        if facts is None:
            return None
        return {name: each.in_flight for name, each in facts.items()}

    def followed(self) -> FollowedTables | None:
        """Return what figures are made of besides; None while it may be out of date."""
        staleness = self.staleness
        if staleness.is_stale or staleness.current is None:
            return None
        return FollowedTables(
            topology=self.topology,
            documents=self.controls,
            shares=self._tables.shares,
            letters={
                (head.pipeline, head.stage): OpenLetterCount(head.count, head.more)
                for head in self._tables.letters().values()
            },
            shut_runs=shut_runs(self.alerts()),
            gate_queues=gate_queues(
                self.topology.versions, self._tables.open_runs, self._tables.judged_gates
            ),
        )

    def stage_history(self, pipeline: str, stage: str) -> StageHistory:
        """Return what a stage did in the last ten minutes."""
        return stage_history(self._tables.rates, pipeline, stage, wall_clock())

    def attention(self) -> list[AttentionItem]:
        """Return what needs somebody, the most urgent first."""
        return find_attention(
            self.alerts(),
            self._tables.incidents.values(),
            self._tables.letters().values(),
            [figures for name, figures in self._figures.items() if name in self.pipelines()],
            [*self._tables.skipped.values()],
            datetime.now(UTC),
            [report for name, report in self.topology.reports.items() if name in self.pipelines()],
        )

    # Changes

    async def changes(
        self, views: Sequence[str], since: Revision | None = None
    ) -> AsyncGenerator[Delta]:
        """Yield what has changed in these views since a revision, of this read model or of another
        one; then, at most four times a second, what changes. The first delta has all rows if that
        revision is unknown or too old. Nothing is kept for a reader that is slow: it gets the
        newest row of what has changed meanwhile. It ends with `close`. Raises InvalidRequestError
        (`invalid_request`)."""
        self.require_views(views)
        with self._watching(views):
            self._compute(views)
            known = since
            if known is None or not self._tables.is_known(known):
                known = None
            opened = {name: self._view(name) for name in views}
            found: dict[str, ViewChange] = {}
            if known is not None:
                found = {name: view.since_revision(known) for name, view in opened.items()}
                if any(c.whole for name, c in found.items() if opened[name].resumes):
                    known = None
            if known is None:
                found = {name: view.whole() for name, view in opened.items()}
            while not self._is_closed:
                ticks = {name: view.tick for name, view in opened.items()}
                revision = self.revision if known is None else self.revision.joined(known)
                if found:
                    yield Delta(revision=str(revision), views=found)
                    await asyncio.sleep(_DELTA_INTERVAL)
                while not self._is_closed and ticks == {n: v.tick for n, v in opened.items()}:
                    await self._moved.wait()
                found = {}
                for name, view in opened.items():
                    if view.tick == ticks[name]:
                        continue
                    change = view.since_tick(ticks[name], known or Revision())
                    if change.whole and view.resumes:
                        known = None
                    if change.whole or change.rows or change.removed:
                        found[name] = change

    def require_views(self, views: Sequence[str]) -> None:
        """Raise InvalidRequestError (`invalid_request`) if there are no such views, or if these are
        too many for one stream."""
        if len(views) > MAX_VIEWS:
            raise InvalidRequestError("invalid_request", f"a stream has at most {MAX_VIEWS} views")
        for name in views:
            self._view(name)

    def close(self) -> None:
        """End all `changes`, those that are awaited too."""
        self._is_closed = True
        self._move()

    def _view(self, name: str) -> LiveView:
        """Return a view. Raises InvalidRequestError (`invalid_request`)."""
        tables, journals = self._tables, self._tables.journals
        kind, _, of = name.partition("/")
        if name in COMPUTED_VIEWS or (kind == "stages" and of):
            return self._computed.setdefault(name, ComputedRows()).view()
        if kind == "run" and of:
            summary = tables.runs.summary
            return LiveView(journals[Table.RUNS], lambda: _one(of, summary(of)), summary, only=of)
        match name:
            case "runs":
                return LiveView(
                    journals[Table.RUNS],
                    lambda: {each.run: each for each in tables.runs.newest(NEWEST_RUNS)},
                    lambda run: tables.runs.summary(run),
                    most=2 * NEWEST_RUNS,
                )
            case "incidents":
                return _stored(
                    journals[Table.INCIDENTS], self._shown_incidents, tables.incident,
                    _incident_data,
                )  # fmt: skip
            case "alerts":
                return _stored(
                    journals[Table.ALERTS], lambda: tables.alerts, tables.alerts.get, _plain_data
                )
            case "letters":
                return _stored(
                    journals[Table.LETTERS], tables.letters, tables.letter_head, _plain_data
                )
            case "control":
                return _stored(
                    journals[Table.CONTROL], self._controls_by_text,
                    lambda key: self._controls_by_text().get(key), _control_data,
                )  # fmt: skip
            case "versions":
                return _stored(
                    journals[Table.TOPOLOGY], self._versions_by_name,
                    lambda name: self.topology.by_name.get(name.encode()), _version_data,
                )  # fmt: skip
        raise InvalidRequestError("invalid_request", f"there is no view {name!r}")

    def _shown_incidents(self) -> Mapping[str, Incident]:
        """Return the open incidents, and those that have ended last."""
        known = self.incidents()
        count = sum(1 for each in known if each.resolved is None)
        return {each.key.decode(): each for each in known[: count + RESOLVED_INCIDENTS]}

    def _controls_by_text(self) -> Mapping[str, TimedDocument]:
        return {
            key.decode(errors="backslashreplace"): each
            for key, each in self._tables.documents.items()
        }

    def _versions_by_name(self) -> Mapping[str, Version]:
        return {version.name: version for version in self.topology.versions}

    def _move(self) -> None:
        """Wake everybody who waits for changes."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    # What is computed and measured while somebody watches

    @contextmanager
    def _watching(self, views: Sequence[str]) -> Iterator[None]:
        self._watched.update(views)
        self._wanted.set()
        try:
            yield
        finally:
            self._watched.subtract(views)
            self._watched = +self._watched
            for name in [*self._computed]:
                if name not in COMPUTED_VIEWS and name not in self._watched:
                    del self._computed[name]

    def _wanted_pipelines(self) -> list[str]:
        if "attention" in self._watched:
            return self.pipelines()
        return [name for name in self.pipelines() if f"stages/{name}" in self._watched]

    def _compute(self, views: Sequence[str]) -> None:
        """Compute those of these views that are computed."""
        moved = False
        for name in views:
            if name in self._computed:
                moved |= self._computed[name].update(self._computed_rows(name))
        if moved:
            self._move()

    def _computed_rows(self, name: str) -> Rows:
        match name:
            case "status":
                status = self.status()
                # Not each second: whoever watches is told at once when the data become stale.
                current = status.current and status.current // 5_000 * 5_000
                answered = status.answered and status.answered // 5_000 * 5_000
                shown = status.model_copy(update={"current": current, "answered": answered})
                return {"status": shown.model_dump(mode="json")}
            case "attention":
                items = self.attention()
                return {each.key: {"place": n, **_plain_data(each)} for n, each in enumerate(items)}
            case "run-counts":
                return dict(self.run_counts())
            case "schedules":
                return {f"{e.pipeline}/{e.schedule}": _plain_data(e) for e in self.schedules()}
        figures = self._figures.get(name.partition("/")[2])
        if figures is None:
            return {}
        stages = {f"stage/{name}": _plain_data(each) for name, each in figures.stages.items()}
        edges = {f"edge/{name}": _plain_data(each) for name, each in figures.edges.items()}
        whole = {"version": figures.version, "has_rates": figures.has_rates}
        return {"pipeline": whole, **stages, **edges}

    async def run(self) -> None:
        """Keep everything up to date until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follower.run())
            tasks.create_task(self._compute_always())
            tasks.create_task(self._measure_always())

    async def _compute_always(self) -> None:
        schedules_due = 0.0
        while True:
            await self._wait_for_watchers()
            began = time.monotonic()
            views = [*self._watched]
            if began < schedules_due:
                views = [name for name in views if name != "schedules"]
            elif "schedules" in views:
                schedules_due = began + _SCHEDULES_INTERVAL
            try:
                self._tables.rates.forget_silent(wall_clock())
                self._compute(views)
            except Exception:
                log.exception("read_model.uncomputed")
            took = time.monotonic() - began
            await asyncio.sleep(max(_COMPUTE_INTERVAL, took / _SHARE_OF_A_CORE))

    async def _measure_always(self) -> None:
        failures = 0
        while True:
            await self._wait_for_watchers()
            began, spent = time.monotonic(), time.thread_time()
            try:
                for pipeline in self._wanted_pipelines():
                    of = replace(self._installation, pipeline=pipeline)
                    self._figures[pipeline] = await read_figures(of, self.figures)
                failures = 0
            except OperationError as error:
                failures += 1
                if is_logged(failures):
                    log.warning("read_model.unmeasured", why=str(error))
            except Exception:
                failures += 1
                log.exception("read_model.unmeasured")
            # Others spend time meanwhile too: this is an upper bound.
            looked_at = any(name.startswith("stages/") for name in self._watched)
            interval = _MEASURE_INTERVAL if looked_at else _ATTENTION_INTERVAL
            pause = max(interval, (time.thread_time() - spent) / _SHARE_OF_A_CORE)
            pause = max(pause, _RETRY.delay(failures) if failures else 0.0)
            await asyncio.sleep(max(0.1, began + pause - time.monotonic()))

    async def _wait_for_watchers(self) -> None:
        while not self._watched:
            self._figures.clear()  # they would be old when somebody comes
            self._wanted.clear()
            await self._wanted.wait()


def _one(key: str, row: object) -> Rows:
    return {} if row is None else {key: row}


def _stored(
    journal: ChangeJournal,
    rows: Callable[[], Mapping[str, T]],
    get: Callable[[str], T | None],
    data: Callable[[T], object],
) -> LiveView:
    """Return the view of rows that stand in topics; `data` makes JSON data of one."""

    def row(key: str) -> object:
        found = get(key)
        return None if found is None else data(found)

    return LiveView(journal, lambda: {key: data(each) for key, each in rows().items()}, row)


def _plain_data(row: BaseModel) -> dict[str, Any]:
    return row.model_dump(mode="json")


def _incident_data(incident: Incident) -> dict[str, Any]:
    return ListedIncident(incident).to_data()


def _control_data(document: TimedDocument) -> dict[str, Any]:
    return {
        "key": document.key.decode(errors="backslashreplace"),
        "generation": document.generation,
        "at": document.at.isoformat(),
        "document": document.control.model_dump(mode="json"),
    }


def _version_data(version: Version) -> dict[str, Any]:
    return _plain_data(
        PublishedVersion(
            pipeline=version.pipeline,
            version=version.version,
            published=version.published,
            published_by=version.published_by,
            rollback_of=version.rollback_of,
            retired=version.retired,
        )
    )


@asynccontextmanager
async def open_read_model(installation: Installation) -> AsyncIterator[ReadModel]:
    """Yield a read model that reads as long as the block runs. It is there at once, also while
    Kafka does not answer: `status` says how far it is to be trusted."""
    model = ReadModel(installation)
    running = asyncio.create_task(model.run())
    try:
        yield model
    finally:
        model.close()
        running.cancel()
        await asyncio.wait({running})
