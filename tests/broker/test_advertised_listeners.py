"""Is a broker named that Kafka advertises and that cannot be reached from here?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from farandole.broker.broker_errors import UnreachableError
from farandole.broker.kafka_clients import (
    make_admin_client,
    make_consumer,
    make_producer,
    open_client,
)
from farandole.broker.settings import Settings

HERE, ELSEWHERE = b"127.0.0.1", b"x.invalid"  # of one length, so that every frame stays valid


async def _copy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(change(data))
            await writer.drain()
    writer.close()


@asynccontextmanager
async def behind_another_name(bootstrap: str) -> AsyncIterator[str]:
    """Yield the address of a server that passes everything on to Kafka, and in whose answers Kafka
    advertises a name that nobody knows."""
    host, _, port = bootstrap.rpartition(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kafka_reader, kafka_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(
            _copy(reader, kafka_writer, bytes),
            _copy(kafka_reader, writer, lambda data: data.replace(HERE, ELSEWHERE)),
        )

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.kafka
@pytest.mark.parametrize("make", [make_consumer, make_producer, make_admin_client])
async def test_the_error_names_the_host_that_kafka_advertises(
    kafka: Settings, make: Callable[[Settings], Any]
) -> None:
    assert kafka.bootstrap is not None
    async with behind_another_name(kafka.bootstrap) as address:
        settings = kafka.model_copy(update={"bootstrap": address})
        with pytest.raises(UnreachableError) as caught:
            async with open_client(make(settings), settings):
                pass
    port = kafka.bootstrap.rpartition(":")[2]
    assert f"Kafka at {address} answers, and advertises x.invalid:{port}" in str(caught.value)
    assert "advertised.listeners" in str(caught.value)
