"""What names a service of ours as the source of the records that it writes?"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from farandole.broker.table_follower import TableFollower
from farandole.catalog.topology_table import decode_installation
from farandole.events.kafka_names import RESERVED_PIPELINE


async def wait_for_source(table: TableFollower, service: str, stopping: asyncio.Event) -> str:
    """Wait until a first version is published, and return the `ce_source` of a service's records.
    It contains the installation's id. Returns an empty text if `stopping` is set first. `table`
    follows `farandole.topology`."""
    while (installation := decode_installation(table.rows)) is None:
        if stopping.is_set():
            return ""  # it is not used, because the lane group ends at once
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await table.next_change()
    return f"farandole://{installation.id}/{RESERVED_PIPELINE}/{service}"
