"""Which profiles are kept: of runs and windows that have ended, and in the bookkeeper's state?"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing
from typing import NamedTuple

from aiokafka import TopicPartition

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_reader import scan
from farandole.events.quality_row import (
    QualityKey,
    parse_quality_key,
    parse_quality_row,
    pipeline_partition,
)
from farandole.events.row_format import NewerFormatError
from farandole.events.topology_version import Version
from farandole.ledger.bookkeeper_lane import POSITION_KEY
from farandole.ledger.data_verification import KeptProfile
from farandole.ledger.edge_data import EdgeData, parse_edge_data
from farandole.ledger.profile_store import PROFILE_PREFIX

_UNKNOWN = 1
"""When the run of an amendment was opened: perhaps before anything that is left."""

IsWanted = Callable[[QualityKey], bool]


class _Row(NamedTuple):
    key: QualityKey
    data: EdgeData | None
    """None if the row was deleted."""
    opened: int = 0
    """When its run was opened, or its window began; 0 if it has not ended."""


class KeptProfiles:
    """Reads the profiles of one pipeline. Rows that this release cannot read are left out."""

    def __init__(
        self, settings: Settings, admin: ClusterAdmin, newest: Version, since: int | None
    ) -> None:
        """`since`: rows that were written before are not read, in milliseconds of the epoch; None
        to read all."""
        self._settings = settings
        self._admin = admin
        self._newest = newest
        self._since = since
        self.positions: dict[int, int] = {}
        """By partition of the ledger, the offset before which all entries are folded into the
        profiles that were read last."""

    async def fingerprints(self, is_wanted: IsWanted) -> dict[QualityKey, KeptProfile]:
        """Return what stands for each profile. Raises BrokerError."""
        found: dict[QualityKey, KeptProfile] = {}
        amended: set[QualityKey] = set()
        async with aclosing(self._rows(is_wanted)) as rows:
            async for key, data, opened in rows:
                if key.amended is not None:
                    amended.add(key._replace(amended=None))
                elif data is None:
                    found.pop(key, None)
                else:
                    found[key] = KeptProfile.of(data, opened)
        for key, (whole, opened) in (await self.whole(amended)).items() if amended else ():
            found[key] = KeptProfile.of(whole, opened)
        return found

    async def whole(self, keys: Collection[QualityKey]) -> dict[QualityKey, tuple[EdgeData, int]]:
        """Return some profiles with all that was added to them, and when their runs were opened; 0
        for those that have not ended. Raises BrokerError."""
        newest: dict[QualityKey, _Row] = {}
        async with aclosing(self._rows(lambda key: key in keys)) as rows:
            async for row in rows:
                newest[row.key] = row
        found: dict[QualityKey, tuple[EdgeData, int]] = {}
        for _, data, opened in newest.values():
            if data is None:
                continue
            known = found.get(data.key)
            if known is None:
                found[data.key] = data, opened
            else:
                known[0].merge(data)
                found[data.key] = known[0], max(known[1], opened)
        return found

    async def _rows(self, is_wanted: IsWanted) -> AsyncGenerator[_Row]:
        """Yield the rows in the order in which they count: of two with one key the later one does.
        First come those in the bookkeeper's state, which is read before the others: a run that
        ends meanwhile is there twice, not never."""
        state: dict[QualityKey, bytes] = {}
        self.positions = {}
        topic = self._settings.names.bookkeeper_state_topic
        async with aclosing(scan(self._settings, [topic], admin=self._admin)) as batches:
            async for records in batches:
                for record in records:
                    name = record.key or b""
                    if name == POSITION_KEY and (record.value or b"").isdigit():
                        self.positions[record.partition] = int(record.value or b"")
                    key = self._wanted(name.removeprefix(PROFILE_PREFIX), is_wanted)
                    if key is None or not name.startswith(PROFILE_PREFIX):
                        continue
                    state.pop(key, None)
                    if record.value is not None:
                        state[key] = record.value
        for key, value in state.items():
            if (row := _row(key, value)) is not None:
                yield row._replace(opened=0)
        start = await self._start()
        topic = self._settings.names.quality_topic
        async with aclosing(
            scan(self._settings, [topic], start=start, admin=self._admin)
        ) as batches:
            async for records in batches:
                for record in records:
                    key = self._wanted(record.key or b"", is_wanted)
                    if key is not None and (row := _row(key, record.value)) is not None:
                        yield row

    def _wanted(self, name: bytes, is_wanted: IsWanted) -> QualityKey | None:
        key = parse_quality_key(name)
        if key is None or key.pipeline != self._newest.pipeline:
            return None
        return key if is_wanted(key._replace(amended=None)) else None

    async def _start(self) -> dict[TopicPartition, int]:
        """Return from where on the rows of the pipeline are read."""
        topic = self._settings.names.quality_topic
        number = pipeline_partition(self._newest.pipeline, self._newest.ledger)
        place = TopicPartition(topic, number)
        if self._since is None or not await self._admin.topics([topic]):
            return {place: 0}
        return await self._admin.offsets_at([place], self._since)


def _row(key: QualityKey, value: bytes | None) -> _Row | None:
    if value is None:
        return _Row(key, None)
    whole = key._replace(amended=None)
    try:
        data = parse_edge_data(whole, value)
        row = parse_quality_row(value)
    except NewerFormatError:
        return None
    if data is None or row is None:
        return None
    if key.amended is not None:
        return _Row(key, data, _UNKNOWN)
    return _Row(key, data, row.get("opened", row.get("window", row["at"])))
