"""How is the Faust app put together that folds the ledger?"""

from __future__ import annotations

import asyncio
import time
import weakref
from pathlib import Path
from typing import Any

import faust
import structlog
from faust.streams import _current_event
from faust.types import EventT, StreamT

from farandole.broker.kafka_clients import connection_arguments
from farandole.broker.settings import Settings
from farandole.monitor.committed_consumer import CommittedApp
from farandole.monitor.entry_measures import measure_entry
from farandole.monitor.window_store import WindowStore

log = structlog.get_logger()

TABLE_NAME = "windows"
_BATCH_ENTRIES = 2_000  # entries
_BATCH_SECONDS = 0.25  # seconds: so often is a window written, however many entries change it
_ROCKSDB_OPTIONS = {  # its defaults are for tables of gigabytes
    "write_buffer_size": 4 * 2**20,
    "max_write_buffer_number": 2,
    "block_cache_size": 8 * 2**20,
    "max_open_files": 64,
}


def changelog_topic(settings: Settings) -> str:
    """The topic in which the table's rows outlive this machine."""
    return f"{settings.names.monitor_group}-{TABLE_NAME}-changelog"


class MonitorApp:
    """The app, and what it has counted so far. It counts nothing before `allowed` is set."""

    def __init__(self, settings: Settings, data: Path, partitions: int) -> None:
        """`partitions`: of the ledger. Raises InvalidSettingsError."""
        self.fold = WindowStore()
        self.allowed = asyncio.Event()
        self.loaded = False
        """Do the windows hold what the table had?"""
        self.entries = 0
        self.foreign = 0
        """Records of the ledger that are no entries."""
        self.done: dict[int, int] = {}
        """By partition, the offset up to which (exclusive) all is counted."""
        self._stream: StreamT[bytes] | None = None
        self.ledger = settings.names.ledger_topic
        self.partitions = partitions
        self.app = CommittedApp(
            settings.names.monitor_group,
            **_faust_options(settings),
            datadir=data,
            topic_partitions=partitions,
        )
        self._table = self.app.Table(
            TABLE_NAME,
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            options=dict(_ROCKSDB_OPTIONS),
            on_recover=self._load,
        )
        topic = self.app.topic(
            self.ledger,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
        )
        self.app.agent(topic, name=f"{settings.names.monitor_group}.fold")(self._count)

    @property
    def waiting(self) -> int:
        """Entries that were fetched and are not in the windows."""
        channel: Any = self._stream.channel if self._stream is not None else None
        queued = channel.queue.qsize() if channel is not None else 0
        return queued + len(self.app.consumer.unacked)

    async def _load(self) -> None:
        """What the table holds once it is whole again, of the partitions that are ours."""
        try:
            self.fold.load(self._table.items())
            self.loaded = True
        except Exception as error:
            # Faust would go on without.
            await self.app.crash(error)
            raise

    async def _count(self, stream: Any) -> None:
        try:
            self._stream = stream
            await self.allowed.wait()
            async for events in stream.noack_take(_BATCH_ENTRIES, within=_BATCH_SECONDS):
                await self._batch(stream, events)
        except Exception as error:
            # Faust would start the agent again behind what has failed.
            await self.app.crash(error)
            raise

    async def _batch(self, stream: StreamT[bytes], events: Any) -> None:
        generation = self.app.consumer_generation_id
        ours = [event for event in events if event.message.generation_id == generation]
        now = time.time_ns() // 1_000_000
        last: dict[int, EventT[bytes]] = {}
        for event in ours:
            message = event.message
            measure = measure_entry(message.value, now)
            if measure is None:
                self.foreign += 1
            else:
                self.entries += 1
                self.fold.add(message.partition, message.offset, measure)
            last[message.partition] = event
            self.done[message.partition] = message.offset + 1
        for partition, event in last.items():
            # A table writes to the partition of the event that is current; of a batch none is.
            _current_event.set(weakref.ref(event))
            for key, value in self.fold.taken(partition):
                self._table[key] = value
        for event in ours:
            await stream.ack(event)


def _faust_options(settings: Settings) -> dict[str, Any]:
    """What Faust is told, by its own names."""
    told = connection_arguments(settings)
    addresses = (settings.bootstrap or "").split(",")
    return {
        "broker": ";".join(f"kafka://{address.strip()}" for address in addresses),
        "broker_credentials": _credentials(told),
        "broker_client_id": settings.names.monitor_group,
        "broker_session_timeout": settings.session_timeout,
        "broker_heartbeat_interval": settings.heartbeat_interval,
        "broker_request_timeout": max(settings.deadline, settings.session_timeout + 2),
        "broker_commit_interval": 0.5,
        "broker_max_poll_interval": 60.0,
        "store": "rocksdb://?driver=rocksdict",
        "processing_guarantee": "at_least_once",
        "consumer_auto_offset_reset": "earliest",
        "stream_recovery_delay": 0,
        "stream_wait_empty": False,
        "topic_disable_leader": True,
        "topic_allow_declare": False,  # the ledger's is the router's to create, ours are created
        "table_standby_replicas": 0,
        "producer_acks": -1,
        "web_enabled": False,
        "autodiscover": False,
    }


def _credentials(told: dict[str, Any]) -> Any:
    trust = told.get("ssl_context")
    if "sasl_mechanism" in told:
        return faust.SASLCredentials(
            mechanism=told["sasl_mechanism"],
            username=told["sasl_plain_username"],
            password=told["sasl_plain_password"],
            ssl_context=trust,
        )
    return faust.SSLCredentials(trust) if trust is not None else None
