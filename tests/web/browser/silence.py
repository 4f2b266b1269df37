"""A Kafka that answers no more, for the clients of this event loop alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka.conn import AIOKafkaProtocol


@asynccontextmanager
async def silent_kafka() -> AsyncIterator[None]:
    """Hold back all that brokers answer while the block runs; then it arrives. Other processes, and
    the other tests, go on with the same brokers."""
    loop = asyncio.get_running_loop()
    held: list[tuple[AIOKafkaProtocol, bytes]] = []
    receive = AIOKafkaProtocol.data_received

    def hold(protocol: AIOKafkaProtocol, data: bytes) -> None:
        if protocol._loop is loop:
            held.append((protocol, data))
        else:
            receive(protocol, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AIOKafkaProtocol, "data_received", hold)
        yield
    for protocol, data in held:
        receive(protocol, data)
