"""How is the Faust app built that counts ledger entries in windows?"""

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
_BATCH_ENTRIES = 2_000  # the most entries that are counted at once
_BATCH_SECONDS = 0.25  # a window is written at most once in this time
_ROCKSDB_OPTIONS = {  # the defaults are for tables of gigabytes
    "write_buffer_size": 4 * 2**20,
    "max_write_buffer_number": 2,
    "block_cache_size": 8 * 2**20,
    "max_open_files": 64,
}


def changelog_topic(settings: Settings) -> str:
    """Return the topic with a copy of the table's rows, which survives the loss of this machine."""
    return f"{settings.names.monitor_group}-{TABLE_NAME}-changelog"


class MonitorApp:
    """The Faust app, and what it has counted so far. It waits for `counting_allowed` before it
    counts."""

    def __init__(self, settings: Settings, data: Path, partitions: int) -> None:
        """`partitions` is the number that the ledger has. Raises InvalidSettingsError."""
        self.window_store = WindowStore()
        self.counting_allowed = asyncio.Event()
        self.windows_loaded = False
        """True once the windows are read back from the table."""
        self.entries = 0
        self.foreign_records = 0
        """The number of records in the ledger that are not entries."""
        self.counted_up_to: dict[int, int] = {}
        """By partition, the offset up to which (exclusive) everything is counted."""
        self._stream: StreamT[bytes] | None = None
        self.ledger = settings.names.ledger_topic
        self.partitions = partitions
        self.app = CommittedApp(
            settings.names.monitor_group,
            **_faust_options(settings),
            datadir=data,
            topic_partitions=partitions,
        )
        self.app.kafka_settings = settings
        self._table = self.app.Table(
            TABLE_NAME,
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
            options=dict(_ROCKSDB_OPTIONS),
            on_recover=self._load_windows,
        )
        topic = self.app.topic(
            self.ledger,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
        )
        self.app.agent(topic, name=f"{settings.names.monitor_group}.fold")(self._run_agent)

    @property
    def uncounted(self) -> int:
        """The number of entries that are fetched, but not in the windows yet."""
        channel: Any = self._stream.channel if self._stream is not None else None
        queued = channel.queue.qsize() if channel is not None else 0
        return queued + len(self.app.consumer.unacked)

    async def _load_windows(self) -> None:
        """Load the windows of our partitions after Faust has restored the table."""
        try:
            self.window_store.load(self._table.items())
            self.windows_loaded = True
        except Exception as error:
            # Faust would go on without the windows.
            await self.app.crash(error)
            raise

    async def _run_agent(self, stream: Any) -> None:
        """Count entries in batches."""
        try:
            self._stream = stream
            await self.counting_allowed.wait()
            async for events in stream.noack_take(_BATCH_ENTRIES, within=_BATCH_SECONDS):
                await self._count_batch(stream, events)
        except Exception as error:
            # Faust would restart the agent after the failed batch, and lose that batch.
            await self.app.crash(error)
            raise

    async def _count_batch(self, stream: StreamT[bytes], events: Any) -> None:
        """Count a batch, write the changed windows to the table, and acknowledge the entries."""
        generation = self.app.consumer_generation_id
        ours = [event for event in events if event.message.generation_id == generation]
        now = time.time_ns() // 1_000_000
        last: dict[int, EventT[bytes]] = {}
        for event in ours:
            message = event.message
            measure = measure_entry(message.value, now)
            if measure is None:
                self.foreign_records += 1
            else:
                self.entries += 1
                self.window_store.add(message.partition, message.offset, measure)
            last[message.partition] = event
            self.counted_up_to[message.partition] = message.offset + 1
        for partition, event in last.items():
            # A table writes to the partition of the current event, which a batch does not have.
            _current_event.set(weakref.ref(event))
            for key, value in self.window_store.take_unsaved(partition):
                self._table[key] = value
        for event in ours:
            await stream.ack(event)


def _faust_options(settings: Settings) -> dict[str, Any]:
    """Return the settings by Faust's own names."""
    arguments = connection_arguments(settings)
    addresses = (settings.bootstrap or "").split(",")
    return {
        "broker": ";".join(f"kafka://{address.strip()}" for address in addresses),
        "broker_credentials": _credentials(arguments),
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
        "topic_allow_declare": False,  # router and `run_monitor` create the topics
        "table_standby_replicas": 0,
        "producer_acks": -1,
        "web_enabled": False,
        "autodiscover": False,
    }


def _credentials(arguments: dict[str, Any]) -> Any:
    ssl_context = arguments.get("ssl_context")
    if "sasl_mechanism" in arguments:
        return faust.SASLCredentials(
            mechanism=arguments["sasl_mechanism"],
            username=arguments["sasl_plain_username"],
            password=arguments["sasl_plain_password"],
            ssl_context=ssl_context,
        )
    return faust.SSLCredentials(ssl_context) if ssl_context is not None else None
