"""How does a program outside of a lane write a transaction, and which errors can it get?

A producer that starts under a transactional id fences every older producer with that id: an open
transaction of theirs is aborted or, where it was prepared, committed. From then on only the new
producer can commit. A program that reads before it writes therefore starts the producer first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from farandole.broker import aiokafka_internals
from farandole.broker.aiokafka_internals import force_close_client
from farandole.broker.broker_errors import (
    DeadlineExceededError,
    MembershipOverError,
    ProducerFencedError,
    RecordRejectedError,
    TransactionFailedError,
    WriteDeniedError,
)
from farandole.broker.fencing_errors import FENCING_ERRORS, fencing_error
from farandole.broker.group_offsets import NotAMemberError
from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.missing_rights import denial_text, missing_right
from farandole.broker.record_batch import build_batches
from farandole.broker.settings import Settings
from farandole.events.record import OutgoingRecord, PartitionWrites

_REJECTIONS = (MessageSizeTooLargeError, RecordListTooLargeError)

Offsets = Mapping[TopicPartition, int]


@contextmanager
def translated_errors(no_answer: str | Callable[[], str]) -> Iterator[None]:
    """Raise what aiokafka and the network raise inside as one of five errors.

    ProducerFencedError: another producer has our transactional id, or the transaction outlived its
    time-out. MembershipOverError: the group refuses our offsets. RecordRejectedError: a record is
    too large. DeadlineExceededError, with the text `no_answer`, and TransactionFailedError: what
    Kafka did with the request is unknown.
    """
    try:
        yield
    except TimeoutError:
        text = no_answer if isinstance(no_answer, str) else no_answer()
        raise DeadlineExceededError(text) from None
    except (KafkaError, OSError, *FENCING_ERRORS) as error:
        fence = fencing_error(error)
        if fence is not None:
            raise ProducerFencedError(type(fence).__name__) from None
        if isinstance(error, NotAMemberError):
            raise MembershipOverError(str(error)) from None
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, _REJECTIONS):
            raise RecordRejectedError(text) from None
        right = missing_right(error, "Write") if isinstance(error, KafkaError) else None
        if right is not None:
            raise WriteDeniedError(denial_text(right)) from None
        raise TransactionFailedError(text) from None
    except AssertionError as error:
        # aiokafka asserts its transaction states; a fatal error in its sender leaves one wrong
        raise TransactionFailedError(f"producer in a wrong state: {error}") from None


async def send_records(
    producer: AIOKafkaProducer,
    partition: tuple[str, int],
    records: Sequence[OutgoingRecord],
    at_ms: int,
    *,
    placed: bool = False,
) -> Sequence[int]:
    """Write records to one partition, in their order, and return when Kafka has confirmed each
    batch: with `placed`, the offset of each record, else nothing. Raises the first error: a commit
    would succeed without the batches that Kafka refused."""
    topic, number = partition
    sent: list[Awaitable[RecordMetadata]] = []
    sizes: list[int] = []
    try:
        for batch in build_batches(records, at_ms):
            sent += [await producer.send_batch(batch, topic, partition=number)]
            sizes += [batch.record_count()]
    finally:
        results = await asyncio.gather(*sent, return_exceptions=True)
    written = _raise_first(results)
    if not placed:
        return ()
    starts = [batch.offset for batch in written]
    if min(starts, default=0) < 0:  # so Kafka answers a retry of what it has long had
        raise TransactionFailedError(f"Kafka did not say where it wrote to {topic}/{number}")
    return [start + n for start, size in zip(starts, sizes, strict=True) for n in range(size)]


async def await_all(requests: Sequence[Awaitable[Any]]) -> Sequence[Any]:
    """Await every request and return the answers, or raise the first error: aiokafka prints a
    future whose error nobody has retrieved."""
    return _raise_first(await asyncio.gather(*requests, return_exceptions=True))


def _raise_first(results: Sequence[Any]) -> Sequence[Any]:
    """Return the results, or raise the first error among them."""
    errors = [result for result in results if isinstance(result, BaseException)]
    # Once the offsets are refused, aiokafka takes whatever else is sent for illegal.
    errors.sort(key=lambda error: not isinstance(error, NotAMemberError))
    if errors:
        raise errors[0]
    return results


class FencedProducer:
    """A started transactional producer. Every method raises the errors of `translated_errors`."""

    def __init__(self, settings: Settings, client: AIOKafkaProducer) -> None:
        self._settings = settings
        self._client = client

    @property
    def epoch(self) -> int:
        """The producer epoch: each start under the same transactional id has a higher one."""
        return aiokafka_internals.producer_epoch(self._client)

    @property
    def is_open(self) -> bool:
        """True from `begin` to the end of the transaction, also after an error that only `abort`
        can follow."""
        return aiokafka_internals.is_transaction_open(self._client)

    async def learn_topics(self, topics: Sequence[str]) -> None:
        """Load the metadata of topics, so that no later `send` has to wait for them."""
        asking = [self._client.partitions_for(topic) for topic in topics]
        await self._answer(await_all(asking), None, "asking for partitions")

    async def begin(self) -> None:
        """Begin a transaction; no request is sent."""
        await self._answer(self._client.begin_transaction(), None, "beginning a transaction")

    async def send(self, writes: PartitionWrites, at_ms: int) -> None:
        """Write the records of several partitions, with the time `at_ms`; return when Kafka has
        confirmed all of them."""
        writing = [send_records(self._client, tp, out, at_ms) for tp, out in writes.items()]
        await self._answer(await_all(writing), None, "writing records")

    async def mark(self, partition: tuple[str, int], key: bytes, value: bytes) -> int:
        """Write one record and return its offset."""
        topic, number = partition
        sending = self._client.send_and_wait(topic, value, key=key, partition=number)
        written = await self._answer(sending, None, f"writing to {topic}")
        offset: int = written.offset
        return offset

    async def add_offsets(self, group: str, offsets: Offsets) -> None:
        """Add committed offsets of one group, with no metadata, to the transaction. It may be
        called for several groups."""
        aiokafka_internals.announce_next_group(self._client)
        plain = {tp: OffsetAndMetadata(offset, "") for tp, offset in offsets.items()}
        adding = self._client.send_offsets_to_transaction(plain, group)
        await self._answer(adding, None, "write offsets")

    async def commit(self, within: float | None = None) -> None:
        """Commit within `within` seconds; None for the deadline of the settings."""
        await self._answer(self._client.commit_transaction(), within, "commit")

    async def abort(self, within: float | None = None) -> None:
        """Abort within `within` seconds; None for the deadline of the settings."""
        await self._answer(self._client.abort_transaction(), within, "abort")

    async def transact(
        self,
        writes: PartitionWrites,
        at_ms: int,
        offsets: Mapping[str, Offsets] | None = None,
    ) -> None:
        """Write one whole transaction: records, and committed offsets by group. One deadline, that
        of the settings, applies to all of it."""
        seconds = self._settings.deadline
        with translated_errors(f"no answer within {seconds:g} s"):
            async with asyncio.timeout(seconds):
                await self.begin()
                await self.send(writes, at_ms)
                for group, of_group in (offsets or {}).items():
                    await self.add_offsets(group, of_group)
                await self.commit()

    async def _answer(self, request: Awaitable[Any], within: float | None, what: str) -> Any:
        seconds = self._settings.deadline if within is None else within
        with translated_errors(f"{what}: no answer within {seconds:g} s"):
            async with asyncio.timeout(seconds):
                return await request


@asynccontextmanager
async def fenced_producer(
    settings: Settings, transactional_id: str, *, timeout: float | None = None
) -> AsyncIterator[FencedProducer]:
    """Start a producer that fences every older one with this id, and close it at the end.

    `timeout`: the transaction time-out in seconds, if not that of the settings. Where the block
    raises, the producer is closed at once; an open transaction is aborted by the next fence, or by
    its time-out. Raises the errors of `open_client`.
    """
    over = {} if timeout is None else {"transaction_timeout_ms": int(timeout * 1000)}
    client = make_producer(settings, transactional_id=transactional_id, **over)
    async with open_client(client, settings):
        try:
            yield FencedProducer(settings, client)
        except BaseException:
            await force_close_client(client)
            raise


async def fence(settings: Settings, transactional_id: str, *, timeout: float | None = None) -> None:
    """Fence every producer with this id: when this returns, its transaction is aborted or
    committed. Raises the errors of `open_client`."""
    async with fenced_producer(settings, transactional_id, timeout=timeout):
        pass


async def uninterrupted(transaction: Awaitable[None]) -> None:
    """Finish a transaction although we are cancelled (Ctrl-C), and only then raise CancelledError:
    an open transaction would block every reader."""
    task = asyncio.ensure_future(transaction)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
