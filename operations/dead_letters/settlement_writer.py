"""How are dead letters settled, each exactly once, whoever else settles them at the same time?

A letter is settled by a record in its own topic (`events/settlement_record.py`), which commits in
one transaction with what is done to it. Of each dead-letter topic:

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
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import uuid4

from aiokafka.errors import KafkaError

from farandole.broker import transactions
from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import (
    AccessDeniedError,
    BrokerError,
    InvalidSettingsError,
    UnreachableError,
)
from farandole.broker.transactions import FencedProducer, fenced_producer, uninterrupted
from farandole.events import settlement_record
from farandole.events.record import OutgoingRecord, Partition, Record
from farandole.events.settlement_record import Settlement, SettlementKind
from farandole.operations.dead_letters.dead_letter_store import DeadLetterStore
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay_builder import (
    NotReplayableError,
    Replay,
    RetryTopic,
    check_replayable,
    ledger_entries,
    new_run_roots,
    parse_letter,
    replay_as_new_run,
    retry_rows,
)

MAX_TRANSACTION_LETTERS = 500
"""Of one transaction."""
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
MAX_FRUITLESS_TRIES = 12
"""In a row that may come to nothing."""
MAX_REASONS = 50
"""That are counted apart."""
_BACKOFF = Backoff(first=0.1, longest=3.0, jitter=0.75)


class SettlementOrder(NamedTuple):
    """What a person wants of some letters of one stage."""

    stage: str
    how: SettlementKind
    letters: frozenset[int]
    """Their offsets."""
    by: str
    reason: str = ""
    retry_topic: RetryTopic | None = None
    """Of a replay, where to."""
    amend_value: Callable[[Replay], bytes] | None = None
    as_new_run: bool = False
    """What a retired version had as a root opens a new run."""
    id: str = ""

    def numbered(self) -> SettlementOrder:
        return self._replace(id=uuid4().hex)


@dataclass(slots=True)
class SettlementOutcome:
    """What came of an order."""

    done: int = 0
    """Letters that it has settled."""
    settled_by_others: int = 0
    """Letters that somebody else had settled by then."""
    refused: Counter[str] = field(default_factory=Counter)
    """Letters that cannot be replayed, by why."""
    starts: int = 0
    """How often it had to begin."""


class UnfinishedOrderError(BrokerError):
    """An order was carried out in part."""


async def find_open_letters(
    store: DeadLetterStore, stage: str, selection: LetterSelection, *, fence: bool
) -> tuple[list[int], dict[int, Settlement]]:
    """The offsets of the open letters that are meant, and what became of others among them. It may
    have changed by the time that they are settled.

    `fence` whoever settles letters of the stage first: one who was killed in the middle would hold
    back us, like every reader, until his transaction times out. Raises BrokerError.
    """
    if fence:
        await transactions.fence(
            store.settings, store.settings.names.replay_transactional_id(store.pipeline, stage)
        )
    done = await store.settlements(stage, selection.first_offset(stage))
    found: list[int] = []
    meant: dict[int, Settlement] = {}
    async for letter in store.letters(stage, selection):
        offset = letter.record.offset
        if offset in done:
            meant[offset] = done[offset]
        else:
            found.append(offset)
    return found, meant


def prepare_ordered_replay(
    store: DeadLetterStore, order: SettlementOrder, record: Record, taken: set[bytes]
) -> Replay:
    """What replays a letter; `taken`: the events that the order takes up, this one too from now on.
    Raises NotReplayableError and whatever `amend` raises."""
    assert order.retry_topic is not None
    made = parse_letter(record, order.stage, store.by_name)
    if made.event.place in taken:
        # Its row would have the same key: compaction may take the first before the lane reads it.
        raise NotReplayableError("an older letter of the same event goes first")
    anew = order.as_new_run and made.version.retired is not None
    if not anew:
        check_replayable(made, order.retry_topic)
    if order.amend_value is not None:
        made = made._replace(event=made.event._replace(value=order.amend_value(made)))
    if anew:
        return replay_as_new_run(made, store.versions[max(store.versions)])
    check_replayable(made, order.retry_topic)
    taken.add(made.event.place)
    return made


async def settle_letters(
    store: DeadLetterStore, order: SettlementOrder, progress: Callable[[int], None] = lambda _: None
) -> SettlementOutcome:
    """Settle the letters of an order; `progress` is told how many are. Raises Refused and
    InvalidSettingsError, and UnfinishedOrderError where it is given up."""
    order = order.numbered()
    outcome = SettlementOutcome()
    fruitless = 0
    while True:
        before = outcome.done
        try:
            outcome = await _settle_once(store, order, outcome, progress)
        except (AccessDeniedError, InvalidSettingsError):
            raise
        except (KafkaError, BrokerError, OSError) as error:
            # Fenced, or the outcome is unknown.
            fruitless = 0 if outcome.done > before else fruitless + 1
            if fruitless >= MAX_FRUITLESS_TRIES or isinstance(error, UnreachableError):
                raise UnfinishedOrderError(
                    f"{order.stage}: at least {outcome.done:,} letters are {order.how}, then "
                    f"nothing more could be done ({type(error).__name__}: {error}); the same "
                    "command again goes on where this one ended"
                ) from None
            await asyncio.sleep(_BACKOFF.delay(fruitless + 1))
        else:
            return outcome


async def _settle_once(
    store: DeadLetterStore,
    order: SettlementOrder,
    outcome: SettlementOutcome,
    progress: Callable[[int], None],
) -> SettlementOutcome:
    """From the fence to the last letter; `outcome` is kept up to date."""
    settings = store.settings
    lane = settings.names.replay_transactional_id(store.pipeline, order.stage)
    outcome.starts += 1
    first = min(order.letters, default=0)
    async with fenced_producer(settings, lane) as producer:
        done = await store.settlements(order.stage, first)
        ours = [o for o in order.letters if o in done and done[o].order == order.id]
        outcome.done = len(ours)
        outcome.settled_by_others = sum(1 for o in order.letters if o in done) - len(ours)
        outcome.refused = Counter()
        left = order.letters - done.keys()
        del done
        async with aclosing(_letter_batches(store, order, left, outcome)) as chunks:
            async for chunk in chunks:
                await uninterrupted(_write_transaction(producer, store, order, chunk))
                outcome.done += len(chunk.letters)
                progress(outcome.done)
    return outcome


@dataclass(slots=True)
class _LetterBatch:
    letters: list[int] = field(default_factory=list)
    replays: list[Replay] = field(default_factory=list)
    bytes: int = 0

    @property
    def full(self) -> bool:
        return len(self.letters) >= MAX_TRANSACTION_LETTERS or self.bytes >= MAX_TRANSACTION_BYTES


async def _letter_batches(
    store: DeadLetterStore, order: SettlementOrder, left: frozenset[int], outcome: SettlementOutcome
) -> AsyncGenerator[_LetterBatch]:
    """The letters, as many at a time as one transaction settles."""
    chunk = _LetterBatch()
    if order.how == "discarded":
        for offset in sorted(left):
            chunk.letters.append(offset)
            if chunk.full:
                yield chunk
                chunk = _LetterBatch()
    elif left:
        chosen = LetterSelection(positions={order.stage: left})
        taken: set[bytes] = set()
        async with aclosing(store.letters(order.stage, chosen)) as letters:
            async for letter in letters:
                try:
                    made = prepare_ordered_replay(store, order, letter.record, taken)
                except NotReplayableError as error:
                    count_refusal(outcome.refused, str(error))
                    continue
                chunk.letters.append(made.letter_offset)
                chunk.replays.append(made)
                chunk.bytes += made.size
                if chunk.full:
                    yield chunk
                    chunk = _LetterBatch()
    if chunk.letters:
        yield chunk


def count_refusal(refused: Counter[str], why: str) -> None:
    """Count it; anybody may write letters with ever new reasons."""
    if why not in refused and len(refused) >= MAX_REASONS:
        why = "for other reasons"
    refused[why] += 1


async def _write_transaction(
    producer: FencedProducer, store: DeadLetterStore, order: SettlementOrder, chunk: _LetterBatch
) -> None:
    """Raises the errors of `FencedProducer`: the transaction is not committed, or nobody knows."""
    names, now = store.settings.names, datetime.now(UTC)
    at = int(time.time() * 1000)
    writes: dict[Partition, Sequence[OutgoingRecord]] = {
        Partition(store.topic(order.stage), 0): settlement_record.make_settlements(
            chunk.letters, order.how, by=order.by, at=now, reason=order.reason, order=order.id
        )
    }
    retrying = names.retry_topic(store.pipeline, order.stage)
    for lane, orders in retry_rows(chunk.replays).items():
        writes[Partition(retrying, lane)] = orders
    for (topic, number), records in new_run_roots(chunk.replays).items():
        writes[Partition(topic, number)] = records
    for number, entry in ledger_entries(chunk.replays, store.pipeline, order.stage, at).items():
        writes[Partition(names.ledger_topic, number)] = [entry]
    await producer.transact(writes, at)
