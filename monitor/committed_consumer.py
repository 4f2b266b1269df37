"""How is Faust kept from reading uncommitted records?

Faust reads at `read_uncommitted` unless it is in its exactly-once mode, which cannot be trusted:
the entries of transactions that were aborted would be counted. One method of its consumer's thread
makes the client; ours says `read_committed` to what it returns. That leans on Faust's inside, so it
is looked at before the first entry is counted.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

from farandole.broker.aiokafka_internals import reads_committed, set_read_committed
from farandole.broker.broker_errors import BrokerError


class UncommittedReadError(BrokerError):
    """Faust would count entries of aborted transactions."""


class CommittedThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        set_read_committed(consumer)
        return consumer


class CommittedConsumer(Consumer):
    def _new_consumer_thread(self) -> CommittedThread:
        return CommittedThread(self, loop=self.loop, beacon=self.beacon)


class CommittedTransport(Transport):
    Consumer = CommittedConsumer


class CommittedApp(faust.App):
    """A Faust app whose consumer reads what is committed."""

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
