"""How is Faust kept from reading uncommitted records, made to commit what it has read, and led past
records that cannot be decoded?

Faust reads at `read_uncommitted` unless its exactly-once mode is on, which is not reliable. It
would count entries of aborted transactions. So we override the method of its consumer thread that
makes the client, and set `read_committed` on the client. This depends on Faust's internals, so it
is verified before the first entry is counted.

Faust 0.15.3 also commits too little where transaction markers lie between records. It takes the
record after a gap for a part of the gap, so the offset of that record is acknowledged twice, and a
commit ends at the first offset that occurs twice: each commit moves by about two offsets. Our
agent acknowledges the entries of a partition in their order, so we need no gaps: everything up to
the newest acknowledged entry is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import faust
import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from farandole.broker.aiokafka_internals import (
    reads_committed,
    set_read_committed,
    valid_positions,
)
from farandole.broker.broker_errors import BrokerError
from farandole.broker.kafka_clients import pin_cluster
from farandole.broker.settings import Settings
from farandole.broker.undecodable_records import Batches, UndecodableSkipper
from farandole.events.record import UndecodableRecord

log = structlog.get_logger()


class UncommittedReadError(BrokerError):
    """Faust would count entries of aborted transactions."""


class CommittedThread(AIOKafkaConsumerThread):
    _skipper: UndecodableSkipper

    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        set_read_committed(consumer)
        pin_cluster(consumer, transport.app.kafka_settings)
        self._skipper = UndecodableSkipper(consumer, self._rewind)
        self._positions: Mapping[TopicPartition, int] = {}
        return consumer

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP] | None,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TP, list[Any]]:
        """Return the next records by partition. One that cannot be decoded is logged and left out;
        Faust would crash at it, and again after each restart."""
        fetch = super()._fetch_records
        partitions = [TopicPartition(*tp) for tp in sorted(active_partitions or ())]
        self._positions = valid_positions(consumer, partitions)

        async def poll(some: Sequence[TopicPartition], limit: int | None) -> Batches:
            wanted = {TP(*tp) for tp in some}
            found: Batches = await fetch(consumer, wanted, timeout, limit or max_records)
            return found

        if not partitions:
            return {}
        batches = await self._skipper.poll(partitions, poll)
        found: dict[TP, list[Any]] = {}
        for tp, records in batches.items():
            if isinstance(records[0], UndecodableRecord):  # it comes alone
                log.warning("record.undecodable", topic=tp.topic, partition=tp.partition,
                            offset=records[0].offset)  # fmt: skip
            else:
                found[TP(*tp)] = [*records]
        return found

    def _rewind(self) -> None:
        for tp, position in self._positions.items():
            self._ensure_consumer().seek(tp, position)


class CommittedConsumer(Consumer):
    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Do nothing: `_new_offset` passes over gaps."""

    def _new_offset(self, tp: TP) -> int | None:
        """Return the offset to commit; None if nothing was acknowledged since the last commit."""
        acknowledged = self._acked[tp]
        if not acknowledged:
            return None
        newest = max(acknowledged)
        acknowledged.clear()
        self._acked_index[tp].clear()
        return newest + 1


class CommittedTransport(Transport):
    Consumer = CommittedConsumer


class CommittedApp(faust.App):
    """A Faust app whose consumer reads only committed records, and those of its own cluster."""

    kafka_settings: Settings
    """Set before the app starts."""

    def _new_transport(self) -> CommittedTransport:
        return CommittedTransport(self.conf.broker_consumer, self)


def verify_read_committed(app: faust.App) -> None:
    """Check an app that has started. Raises UncommittedReadError."""
    client = getattr(getattr(app.consumer, "_thread", None), "_consumer", None)
    if not reads_committed(client):
        raise UncommittedReadError(
            f"the monitor would count what was never committed: faust-streaming "
            f"{version('faust-streaming')} makes its consumer in another way than "
            "monitor/committed_consumer.py knows; install an earlier one, or change that file"
        )
