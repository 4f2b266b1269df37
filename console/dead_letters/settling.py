"""How are dead letters settled, each exactly once, whoever else settles them at the same time?

A letter is settled by a record in its own topic (`events/settlement.py`), which commits in one
transaction with what is done to it. Of each dead-letter topic:

1. Start the producer under the one transactional id that the stage has for this. That fences
   whoever settles letters of it now: his open transaction is aborted or, where it was prepared,
   committed.
2. **Then** read the topic. All that anybody has settled can be read now, and none but us can settle
   more.
3. Write for each letter that is chosen and open: the order in the retry topic, the settlement, what
   the books say; in transactions that are bounded in letters and bytes.

Whoever is fenced in the middle, or does not hear how a transaction ended, begins again at 1: what
he had settled stands in the topic. Nothing is ever sent on the strength of what was read before the
fence.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from farandole.broker.admin import Admin
from farandole.broker.batch import batches
from farandole.broker.clients import close_hard, opened, producer
from farandole.broker.errors import BadSettings, BrokerError, Refused, Unanswered, Unreachable
from farandole.broker.settings import Settings
from farandole.broker.tables import read_table, scan
from farandole.console.dead_letters.letters import Selection
from farandole.console.dead_letters.replayable import (
    NotReplayable,
    Replay,
    Retrying,
    as_new_run,
    entries,
    fitting,
    read,
    roots,
    rows,
)
from farandole.events import settlement
from farandole.events.record import Outgoing, Record
from farandole.events.settlement import How, Settlement
from farandole.events.topology import Version
from farandole.lanes.port import Partition
from farandole.notifier.directory import Directory
from farandole.notifier.letters import Letter
from farandole.worker.versions import published

LETTERS = 500
"""Of one transaction."""
BYTES = 4 * 1024 * 1024
TRIES = 12
"""In a row that may come to nothing."""
MOST_REASONS = 50
"""That are counted apart."""
_LONGEST_REST = 3.0  # seconds
_LARGEST = 1_048_588  # bytes: Kafka's own default of `max.message.bytes`


@dataclass(slots=True)
class Graveyard:
    """The dead-letter topics of one pipeline."""

    settings: Settings
    pipeline: str
    versions: Mapping[int, Version]
    directory: Directory
    by_name: Mapping[str, Version] = field(init=False)

    def __post_init__(self) -> None:
        self.by_name = {version.name: version for version in self.versions.values()}

    @property
    def stages(self) -> list[str]:
        """All that there ever were."""
        return sorted({stage for version in self.versions.values() for stage in version.stages})

    def topic(self, stage: str) -> str:
        return self.settings.names.dead(self.pipeline, stage)

    async def settled(self, stage: str, first: int = 0) -> dict[int, Settlement]:
        """What became of the letters at that offset and behind it. Raises BrokerError."""
        found: dict[int, Settlement] = {}
        async for records in self._scan(stage, first):
            for record in records:
                said = settlement.read(record.value, record.headers)
                for offset in said.settles if said is not None else ():
                    # Of what is said twice the first holds; of letters to come nothing can be.
                    if offset < record.offset:
                        found.setdefault(offset, said)  # type: ignore[arg-type]  # it is one
        return found

    async def letters(self, stage: str, selection: Selection) -> AsyncGenerator[Letter]:
        """Those that are meant, settled or not. Raises BrokerError."""
        async with aclosing(self._scan(stage, selection.first(stage))) as found:
            async for records in found:
                now = datetime.now(UTC)
                for record in records:
                    if settlement.is_one(record.headers):
                        continue
                    read = Letter.read(record, self.pipeline, stage, self.directory.personal, now)
                    if selection.takes(read):
                        yield read

    async def at(self, stage: str, offset: int) -> Record | None:
        """The letter at an offset. Raises BrokerError."""
        async with aclosing(self._scan(stage, offset)) as found:
            async for records in found:
                first = records[0]
                if first.offset == offset and not settlement.is_one(first.headers):
                    return first
                break
        return None

    async def retrying(self, stage: str) -> Retrying:
        """Raises BrokerError, also where the stage has no retry topic."""
        topic = self.settings.names.retry(self.pipeline, stage)
        async with Admin.open(self.settings) as admin:
            lanes = (await admin.topics()).get(topic)
            if lanes is None:
                raise BrokerError(f"there is no topic {topic} yet; run: farandole apply")
            configs = (await admin.configs([topic])).get(topic, {})
        return Retrying(stage, lanes, int(configs.get("max.message.bytes", _LARGEST)))

    async def _scan(self, stage: str, first: int) -> AsyncGenerator[list[Record]]:
        topic = self.topic(stage)
        start = {TopicPartition(topic, 0): first}
        async with aclosing(scan(self.settings, [topic], start=start)) as found:  # type: ignore[type-var]  # it is one
            async for records in found:
                yield records


async def graveyard(settings: Settings, pipeline: str) -> Graveyard:
    """Raises NothingApplied and BrokerError."""
    versions = await published(settings, pipeline)
    directory = Directory(settings.names)
    directory.learn(await read_table(settings, settings.names.topology))
    return Graveyard(settings, pipeline, versions, directory)


class Order(NamedTuple):
    """What a person wants of some letters of one stage."""

    stage: str
    how: How
    letters: frozenset[int]
    """Their offsets."""
    by: str
    reason: str = ""
    retrying: Retrying | None = None
    """Of a replay, where to."""
    amend: Callable[[Replay], bytes] | None = None
    as_new_run: bool = False
    """What a retired version had as a root opens a new run."""
    id: str = ""

    def numbered(self) -> Order:
        return self._replace(id=uuid4().hex)


@dataclass(slots=True)
class Outcome:
    """What came of an order."""

    done: int = 0
    """Letters that it has settled."""
    others: int = 0
    """Letters that somebody else had settled by then."""
    refused: Counter[str] = field(default_factory=Counter)
    """Letters that cannot be replayed, by why."""
    births: int = 0
    """How often it had to begin."""


class Unfinished(BrokerError):  # noqa: N818 -- what the order is
    """An order was carried out in part."""


async def survey(
    yard: Graveyard, stage: str, selection: Selection, *, fence: bool
) -> tuple[list[int], dict[int, Settlement]]:
    """The offsets of the open letters that are meant, and what became of others among them. It may
    have changed by the time that they are settled.

    `fence` whoever settles letters of the stage first: one who was killed in the middle would hold
    back us, like every reader, until his transaction times out. Raises BrokerError.
    """
    if fence:
        lane = yard.settings.names.replayer(yard.pipeline, stage)
        async with opened(producer(yard.settings, transactional_id=lane), yard.settings):
            pass
    done = await yard.settled(stage, selection.first(stage))
    found: list[int] = []
    meant: dict[int, Settlement] = {}
    async for letter in yard.letters(stage, selection):
        offset = letter.record.offset
        if offset in done:
            meant[offset] = done[offset]
        else:
            found.append(offset)
    return found, meant


def replay_of(yard: Graveyard, order: Order, record: Record, taken: set[bytes]) -> Replay:
    """What replays a letter; `taken`: the events that the order takes up, this one too from now on.
    Raises NotReplayable and whatever `amend` raises."""
    assert order.retrying is not None
    made = read(record, order.stage, yard.by_name)
    if made.event.place in taken:
        # Its row would have the same key: compaction may take the first before the lane reads it.
        raise NotReplayable("an older letter of the same event goes first")
    anew = order.as_new_run and made.version.retired is not None
    if not anew:
        fitting(made, order.retrying)
    if order.amend is not None:
        made = made._replace(event=made.event._replace(value=order.amend(made)))
    if anew:
        return as_new_run(made, yard.versions[max(yard.versions)])
    fitting(made, order.retrying)
    taken.add(made.event.place)
    return made


async def carry_out(
    yard: Graveyard, order: Order, progress: Callable[[int], None] = lambda _: None
) -> Outcome:
    """Settle the letters of an order; `progress` is told how many are. Raises Refused and
    BadSettings, and Unfinished where it is given up."""
    order = order.numbered()
    outcome = Outcome()
    fruitless = 0
    while True:
        before = outcome.done
        try:
            outcome = await _life(yard, order, outcome, progress)
        except (Refused, BadSettings):
            raise
        except (KafkaError, BrokerError, OSError, AssertionError) as error:
            # Fenced, or the outcome is unknown; aiokafka asserts its states where its sender has
            # met a fatal error first.
            fruitless = 0 if outcome.done > before else fruitless + 1
            if fruitless >= TRIES or isinstance(error, Unreachable):
                raise Unfinished(
                    f"{order.stage}: at least {outcome.done:,} letters are {order.how}, then "
                    f"nothing more could be done ({type(error).__name__}: {error}); the same "
                    "command again goes on where this one ended"
                ) from None
            longest = min(_LONGEST_REST, 0.1 * 2**fruitless)
            await asyncio.sleep(random.uniform(longest / 4, longest))  # noqa: S311 -- jitter
        else:
            return outcome


async def _life(
    yard: Graveyard, order: Order, outcome: Outcome, progress: Callable[[int], None]
) -> Outcome:
    """From the fence to the last letter; `outcome` is kept up to date."""
    settings = yard.settings
    lane = settings.names.replayer(yard.pipeline, order.stage)
    outcome.births += 1
    first = min(order.letters, default=0)
    async with opened(producer(settings, transactional_id=lane), settings) as client:
        try:
            done = await yard.settled(order.stage, first)
            ours = [o for o in order.letters if o in done and done[o].order == order.id]
            outcome.done = len(ours)
            outcome.others = sum(1 for o in order.letters if o in done) - len(ours)
            outcome.refused = Counter()
            left = order.letters - done.keys()
            del done
            async with aclosing(_chunks(yard, order, left, outcome)) as chunks:
                async for chunk in chunks:
                    await _uninterrupted(_transaction(client, yard, order, chunk))
                    outcome.done += len(chunk.letters)
                    progress(outcome.done)
        except BaseException:
            # Not in good order: an open transaction is for the next fence to end.
            await close_hard(client)
            raise
    return outcome


@dataclass(slots=True)
class _Chunk:
    letters: list[int] = field(default_factory=list)
    replays: list[Replay] = field(default_factory=list)
    bytes: int = 0

    @property
    def full(self) -> bool:
        return len(self.letters) >= LETTERS or self.bytes >= BYTES


async def _chunks(
    yard: Graveyard, order: Order, left: frozenset[int], outcome: Outcome
) -> AsyncGenerator[_Chunk]:
    """The letters, as many at a time as one transaction settles."""
    chunk = _Chunk()
    if order.how == "discarded":
        for offset in sorted(left):
            chunk.letters.append(offset)
            if chunk.full:
                yield chunk
                chunk = _Chunk()
    elif left:
        chosen = Selection(places={order.stage: left})
        taken: set[bytes] = set()
        async with aclosing(yard.letters(order.stage, chosen)) as letters:
            async for letter in letters:
                try:
                    made = replay_of(yard, order, letter.record, taken)
                except NotReplayable as error:
                    refuse(outcome.refused, str(error))
                    continue
                chunk.letters.append(made.letter)
                chunk.replays.append(made)
                chunk.bytes += made.size
                if chunk.full:
                    yield chunk
                    chunk = _Chunk()
    if chunk.letters:
        yield chunk


def refuse(refused: Counter[str], why: str) -> None:
    """Count it; anybody may write letters with ever new reasons."""
    if why not in refused and len(refused) >= MOST_REASONS:
        why = "for other reasons"
    refused[why] += 1


async def _transaction(
    client: AIOKafkaProducer, yard: Graveyard, order: Order, chunk: _Chunk
) -> None:
    """Raises Unanswered and KafkaError: the transaction is not committed, or nobody knows."""
    names, now = yard.settings.names, datetime.now(UTC)
    at = int(time.time() * 1000)
    writes: dict[Partition, Sequence[Outgoing]] = {
        Partition(yard.topic(order.stage), 0): settlement.make(
            chunk.letters, order.how, by=order.by, at=now, reason=order.reason, order=order.id
        )
    }
    retrying = names.retry(yard.pipeline, order.stage)
    for lane, orders in rows(chunk.replays).items():
        writes[Partition(retrying, lane)] = orders
    for (topic, number), records in roots(chunk.replays).items():
        writes[Partition(topic, number)] = records
    for number, entry in entries(chunk.replays, yard.pipeline, order.stage, at).items():
        writes[Partition(names.ledger, number)] = [entry]
    try:
        async with asyncio.timeout(yard.settings.deadline):
            await client.begin_transaction()
            sent = [_sent(client, partition, out, at) for partition, out in writes.items()]
            for written in await asyncio.gather(*sent, return_exceptions=True):
                if isinstance(written, BaseException):
                    raise written
            await client.commit_transaction()
    except TimeoutError:
        raise Unanswered(f"no answer within {yard.settings.deadline:g} s") from None


async def _sent(
    client: AIOKafkaProducer, partition: Partition, outgoing: Sequence[Outgoing], at: int
) -> None:
    """Each batch is awaited: a commit succeeds without those that Kafka refused."""
    topic, number = partition
    sent: list[Awaitable[object]] = []
    try:
        for batch in batches(outgoing, at):
            sent += [await client.send_batch(batch, topic, partition=number)]
    finally:
        results = await asyncio.gather(*sent, return_exceptions=True)
    for written in results:
        if isinstance(written, BaseException):
            raise written


async def _uninterrupted(transaction: Awaitable[None]) -> None:
    """Ctrl-C ends it between transactions: an open one would hold back every reader."""
    task = asyncio.ensure_future(transaction)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
