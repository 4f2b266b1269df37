"""How does a pipeline get a Kafka, and who stops it afterwards?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from farandole.broker import embedded_kafka
from farandole.broker.settings import Settings
from farandole.services.invocation import Invocation


@asynccontextmanager
async def running_kafka(
    invocation: Invocation, announce: Callable[[str], None]
) -> AsyncIterator[Settings]:
    """Yield settings with the address of a Kafka: the one that is named, else the embedded one of
    the folder, which is stopped at the end if it was not running before. `announce` gets lines for
    a person. Raises BrokerError."""
    folder = invocation.folder.resolve()
    starts = (
        invocation.settings().bootstrap is None and embedded_kafka.embedded_status(folder) is None
    )
    try:
        yield await invocation.connect(
            start=True, progress=lambda state: announce(f"Kafka: {state}")
        )
    finally:
        if starts and await embedded_kafka.stop_embedded(folder):
            announce("Kafka has ended; its data are kept")
