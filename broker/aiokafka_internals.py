"""Which parts of aiokafka do we use that it does not publish, and why?"""

from __future__ import annotations

from aiokafka import AIOKafkaProducer
from aiokafka.producer.transaction_manager import TransactionState

_OPEN_STATES = (TransactionState.IN_TRANSACTION, TransactionState.ABORTABLE_ERROR)


def producer_epoch(producer: AIOKafkaProducer) -> int:
    """Return the epoch that Kafka gave to a started transactional producer."""
    epoch: int = producer._txn_manager.producer_epoch
    return epoch


def is_transaction_open(producer: AIOKafkaProducer) -> bool:
    """Return True if the producer has begun a transaction that it can still abort."""
    return producer._txn_manager.state in _OPEN_STATES


def announce_next_group(producer: AIOKafkaProducer) -> None:
    """Let the open transaction take the offsets of one more group.

    Kafka wants each group to be announced. aiokafka remembers one group for each transaction and
    announces only that one. Made to forget it, it announces the next group as well.
    """
    producer._txn_manager._txn_consumer_group = None
