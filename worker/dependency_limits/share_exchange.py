"""How do the processes of an installation tell each other their shares of the limits?

Each process has a key of its own in `farandole.shares`, which nobody else writes, and a new one at
each start. What a process left that was killed is deleted by the others, when it is long forgotten.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from farandole.broker.backoff import is_logged
from farandole.broker.broker_errors import BrokerError, UnreachableError
from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.broker.table_follower import TableFollower, follow_table
from farandole.events.record import Record
from farandole.events.row_format import NewerFormatError
from farandole.events.share_row import ShareRow, parse_share_row
from farandole.worker.throttle.share_claim import FORGET_SECONDS, SeenRow

log = structlog.get_logger()

_RETRY_SECONDS = 2.0
_DELETE_SECONDS = 20 * FORGET_SECONDS
"""A row that was not written anew for so long is of a process that has ended."""
_PREFIX = b"limit/"


def limit_key(limit: str, member: str) -> bytes:
    """Return the key of the row of a process."""
    return f"limit/{limit}/{member}".encode()


class KafkaShareExchange:
    """The rows of one process and of all others: a
    `farandole.worker.dependency_limits.process_limits.ShareExchange`. Nothing is opened before
    `start` is called."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.member = secrets.token_hex(8)
        self._rows: Mapping[bytes, bytes] = {}
        self._seen: dict[str, dict[str, SeenRow]] = {}
        self._table: TableFollower | None = None
        self._writer: AIOKafkaProducer | None = None
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect to Kafka, now and after each failure, until `close` is called."""
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})

    @property
    def is_open(self) -> bool:
        return self._writer is not None

    def rows(self, limit: str) -> Mapping[str, SeenRow]:
        if self._table is not None and self._table.rows is not self._rows:
            self._read(self._table.rows)
        return self._seen.get(limit, {})

    async def write(self, limit: str, row: ShareRow | None) -> None:
        await self._write(limit_key(limit, self.member), row)

    async def _write(self, key: bytes, row: ShareRow | None) -> None:
        topic = self._settings.names.shares_topic
        if self._writer is None:
            raise UnreachableError(f"{topic} is not open")
        value = None if row is None else row.model_dump_json().encode()
        try:
            sending = self._writer.send_and_wait(topic, value, key=key, partition=0)
            await with_deadline(sending, self._settings.deadline, f"writing to {topic}")
        except KafkaError as error:
            raise BrokerError(f"writing to {topic}: {error}") from None

    async def _run(self) -> None:
        failures = 0  # in a row
        topic = self._settings.names.shares_topic
        while True:
            try:
                async with (
                    follow_table(self._settings, topic, _is_share) as self._table,
                    open_client(make_producer(self._settings), self._settings) as self._writer,
                ):
                    failures = 0
                    while True:
                        await asyncio.sleep(_DELETE_SECONDS)
                        await self._delete_old()
            except BrokerError as error:
                failures += 1
                if is_logged(failures):
                    log.warning(
                        "limits.unshared", why=str(error), remedy="functions that wait for a limit"
                        f" wait until {topic} can be read and written; `apply` and the router"
                        " create it",
                    )  # fmt: skip
            finally:
                self._table = self._writer = None
            await asyncio.sleep(_RETRY_SECONDS)

    def _read(self, rows: Mapping[bytes, bytes]) -> None:
        """Note the rows, and when each was seen first."""
        now = time.monotonic()
        before, self._rows = self._rows, rows
        seen: dict[str, dict[str, SeenRow]] = {}
        for key, value in rows.items():
            if not key.startswith(_PREFIX):
                continue
            limit, _, member = key[len(_PREFIX) :].decode(errors="replace").rpartition("/")
            known = self._seen.get(limit, {}).get(member)
            if known is None or before.get(key) != value:
                known = SeenRow(parse_share_row(value), now)
            seen.setdefault(limit, {})[member] = known
        self._seen = seen

    async def _delete_old(self) -> None:
        now = time.monotonic()
        for limit, members in [*self._seen.items()]:
            for member, seen in [*members.items()]:
                if now - seen.seen_at > _DELETE_SECONDS and member != self.member:
                    await self._write(limit_key(limit, member), None)


def _is_share(record: Record) -> bool:
    """Return True if a lane or a process has written the record. Any other is skipped."""
    try:
        parse_share_row(record.value or b"")
    except (ValueError, NewerFormatError):
        return False
    return True
