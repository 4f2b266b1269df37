"""What does the scheduler know of the outside, as Kafka tells it?"""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
    Set,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog
from aiokafka import TopicPartition

from farandole.broker.backoff import is_logged
from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.end_reader import EndReader
from farandole.broker.kafka_clients import with_deadline
from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table
from farandole.catalog.topology_table import TopologyDecoder, TopologyTable, log_foreign_row
from farandole.events.control_documents import parse_control_or_none
from farandole.events.control_table import timed_documents
from farandole.events.controls_in_force import TimedDocument
from farandole.events.topology_version import Version
from farandole.lanes.lane_port import OutcomeUnknownError
from farandole.scheduler import trigger_lookup
from farandole.scheduler.books_lag import BooksLag
from farandole.scheduler.broker_clock import KafkaClock
from farandole.scheduler.facts import (
    PastFiring,
    RunCursor,
    RunsRead,
    TriggerPlace,
    VersionsByPipeline,
)
from farandole.scheduler.file_poller import FilePoller
from farandole.scheduler.firing_history import FiringHistory
from farandole.scheduler.run_reader import RunReader

log = structlog.get_logger()

T = TypeVar("T")

_LAG_POLL_SECONDS = 1.0  # between two looks whether the lag is to be measured


class KafkaFacts:
    """`farandole.scheduler.facts.Facts` over Kafka; `run` reads on beside the lane."""

    def __init__(
        self,
        settings: Settings,
        topology: TableFollower,
        controls: TableFollower,
        folder: Path,
    ) -> None:
        self._settings = settings
        self.topology = topology
        """The rows of `farandole.topology`."""
        self._decoder = TopologyDecoder(on_foreign=log_foreign_row)
        self._table: TopologyTable | None = None
        self._versions: VersionsByPipeline = {}
        self._topics: Collection[str] = ()
        self._unreadable: Set[str] = frozenset()
        self._controls = controls
        self._control_rows: Mapping[bytes, bytes] | None = None
        self._documents: Sequence[TimedDocument] = ()
        self._partitions: Mapping[str, int] = {}
        self._clock = KafkaClock(settings)
        self._history = FiringHistory(settings)
        self._admin = _SharedAdmin(settings)
        self._ends = EndReader(settings)
        self.runs = _Books(settings, self._admin)
        self.files = FilePoller(folder, self.now)

    async def run(self) -> None:
        """Read on until cancelled."""
        try:
            await _await_all(
                self._clock.run(),
                self.runs.reader.run(),
                self.runs.watch_lag(),
                self.files.run(),
            )
        finally:
            await self._history.close()
            await self._admin.close()
            await self._ends.close()

    def rest(self) -> None:
        """Read no runs, and look at no files, until a lane asks for them: that of this process has
        ended, and another process may have it."""
        self.runs.reader.rest()
        self.files.watch({})

    def now(self) -> datetime | None:
        """Return the broker's time (`Facts.now`)."""
        return self._clock.now()

    @property
    def clock_difference(self) -> float | None:
        """By how many seconds this machine's clock is ahead (`Facts.clock_difference`)."""
        return self._clock.difference

    async def confirm(self) -> None:
        """Read everything to its end (`Facts.confirm`)."""
        with _answers():
            await _await_all(
                with_deadline(self._clock.known(), self._settings.deadline, "the broker's clock"),
                # A version counts once it is acknowledged, also before all can read it.
                self.topology.settled(),
                self._read_controls(),
                self.runs.reader.read_to_end(self._ask_ends),
                self.runs.measure_lag(),
            )
            topics = self._trigger_topics()
            found = await self._admin.ask(partial(ClusterAdmin.writable_partitions, topics=topics))
        if found != self._partitions:
            self._partitions = found

    async def _read_controls(self) -> None:
        partition = TopicPartition(self._settings.names.control_topic, 0)
        await self._controls.read_up_to((await self._ask_ends([partition]))[partition])

    async def _ask_ends(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        what = "asking for the ends of topics"
        return await self._ends.ends(partitions, self._settings.deadline, what)

    @property
    def versions(self) -> VersionsByPipeline:
        """The versions of each pipeline (`Facts.versions`)."""
        self._refresh()
        return self._versions

    @property
    def unreadable(self) -> Set[str]:
        """Pipelines of a newer release (`Facts.unreadable`)."""
        self._refresh()
        return self._unreadable

    def _refresh(self) -> None:
        table = self._decoder.decode(self.topology.rows)
        if table is self._table:
            return
        self._table = table
        # An error about the installation concerns every pipeline.
        newer = frozenset(table.pipelines() if "" in table.newer else table.newer)
        found = {p: table.of(p) for p in table.pipelines() if p not in newer}
        found = {pipeline: versions for pipeline, versions in found.items() if versions}
        if found != self._versions:  # a router's report also changes the table
            self._versions = found
            self._topics = _trigger_topics(found.values())
        if newer != self._unreadable:
            self._unreadable = newer

    @property
    def documents(self) -> Sequence[TimedDocument]:
        """The control documents (`Facts.documents`)."""
        if self._controls.rows is not self._control_rows:
            self._control_rows = self._controls.rows
            found = timed_documents(self._controls, self.now() or datetime.now(UTC))
            if found != self._documents:
                self._documents = found
        return self._documents

    @property
    def partitions(self) -> Mapping[str, int]:
        """The topics of triggers that can be written (`Facts.partitions`)."""
        return self._partitions

    def _trigger_topics(self) -> Collection[str]:
        self._refresh()
        return self._topics

    async def find_triggers(
        self, wanted: Mapping[str, Collection[str]], since: datetime
    ) -> Mapping[str, TriggerPlace]:
        """Return where triggers stand (`Facts.find_triggers`)."""
        with _answers():
            return await self._admin.ask(
                lambda admin: trigger_lookup.find_triggers(self._settings, admin, wanted, since)
            )

    def past_firings(
        self, pipeline: str, schedule: str, start: datetime, end: datetime
    ) -> Sequence[PastFiring] | None:
        """Return what became of planned times (`Facts.past_firings`)."""
        return self._history.past_firings(pipeline, schedule, start, end)

    def forget_past_firings(self) -> None:
        """Discard what was read of them (`Facts.forget_past_firings`)."""
        self._history.forget()


def _trigger_topics(pipelines: Iterable[Sequence[Version]]) -> Collection[str]:
    """Return the topics of newest versions to which schedules of any version may send a trigger: a
    planned time that is late triggers what its own version says."""
    found = set()
    for versions in pipelines:
        events = versions[-1].events
        triggers = {each.triggers for version in versions for each in version.schedules.values()}
        found |= {events[event_type].topic for event_type in triggers & events.keys()}
    return found


class _Books:
    """`farandole.scheduler.facts.RunFacts` over Kafka."""

    def __init__(self, settings: Settings, admin: _SharedAdmin) -> None:
        self.reader = RunReader(settings)
        self._lag = BooksLag(settings.names)
        self._is_asked = asyncio.Event()
        self._admin = admin

    def follow(self, cursor: RunCursor) -> None:
        """Read on from here (`RunFacts.follow`)."""
        self.reader.follow(cursor)

    def take(self, limit: int) -> RunsRead | None:
        """Return the next records (`RunFacts.take`)."""
        return self.reader.take(limit)

    @property
    def has_some(self) -> bool:
        """True if `take` would return some (`RunFacts.has_some`)."""
        return self.reader.has_some

    @property
    def are_behind(self) -> bool:
        """True if nobody can say how runs stand (`RunFacts.are_behind`)."""
        self._is_asked.set()
        return self._lag.are_behind

    async def measure_lag(self) -> None:
        """Measure whether the books lag, if that was not done of late. Raises BrokerError."""
        if self._lag.is_due:
            await self._admin.ask(self._lag.ask)

    async def watch_lag(self) -> None:
        """Measure it as long as somebody asks, until cancelled."""
        failures = 0  # in a row
        while True:
            await self._is_asked.wait()
            self._is_asked.clear()
            try:
                await self.measure_lag()
                failures = 0
            except BrokerError as error:
                failures += 1
                if is_logged(failures):
                    log.warning("scheduler.lag_unread", why=str(error))
            await asyncio.sleep(_LAG_POLL_SECONDS)


class _SharedAdmin:
    """One admin client, which is opened when it is needed, and again after an error."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: ClusterAdmin | None = None
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()

    async def ask(self, request: Callable[[ClusterAdmin], Awaitable[T]]) -> T:
        """Return the answer to a request. Raises BrokerError."""
        async with self._opening:
            if self._client is None:
                opening = ClusterAdmin.open(self._settings)
                self._client = await self._stack.enter_async_context(opening)
            client = self._client
        try:
            return await request(client)
        except BrokerError:
            if client is self._client:
                await self.close()
            raise

    async def close(self) -> None:
        """Close the client; the next request opens another."""
        async with self._opening:
            self._client = None
            await self._stack.aclose()


@asynccontextmanager
async def open_facts(settings: Settings, folder: Path) -> AsyncIterator[KafkaFacts]:
    """Yield the facts, with all versions and control documents that there are. Paths of local files
    are relative to `folder`. Raises BrokerError."""
    names = settings.names
    async with (
        follow_table(settings, names.topology_topic) as topology,
        follow_table(
            settings,
            names.control_topic,
            lambda record: parse_control_or_none(record.value or b"") is not None,
        ) as controls,
    ):
        yield KafkaFacts(settings, topology, controls, folder)


@contextmanager
def _answers() -> Iterator[None]:
    """Raise OutcomeUnknownError where Kafka does not answer: the lane then opens again."""
    try:
        yield
    except BrokerError as error:
        raise OutcomeUnknownError(str(error)) from None


async def _await_all(*requests: Awaitable[Any]) -> None:
    """Await all, and cancel the others at the first error, which is raised."""
    tasks = [asyncio.ensure_future(each) for each in requests]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
