"""How does the bookkeeper run: a lane over each partition of the ledger?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from farandole.broker.follower import Follower, followed
from farandole.broker.settings import Settings
from farandole.events.topology import INSTALLATION_KEY, Installation, row
from farandole.lanes.group import Group, run_beside
from farandole.ledger.stuck import Condition, conditions
from farandole.ledger.watching import Watching
from farandole.ledger.work import Bookkeeping

DRAIN = 10.0  # seconds that the lanes have to end
_WATCHES = 0  # the lane that tells of stages: there is one in the installation


async def keep(settings: Settings, stopping: asyncio.Event) -> None:
    """Keep the books until `stopping` is set. Any number of these may run: they share the lanes.

    Raises lanes.group.Broken or BrokerError when Kafka is out of reach for good.
    """
    names = settings.names
    async with followed(settings, names.topology) as table:
        source = await _source(table, stopping)
        watching = Watching(settings, lambda: table.rows, lambda: _WATCHES in group.lanes)

        def seen() -> Sequence[Condition] | None:
            look = watching.taken()
            return None if look is None else [*conditions(look, settings.options)]

        def work(lane: int) -> Bookkeeping:
            if lane != _WATCHES:
                return Bookkeeping(names, lane, source)
            return Bookkeeping(names, lane, source, seen=seen)

        group = Group(
            settings,
            names.bookkeeper,
            [names.ledger],
            lambda lane: f"{names.bookkeeper}:{lane}",
            work,
            alone=asyncio.Lock(),
            patience=DRAIN,
            state=[names.runs, names.bookkeeper_state],
            from_start=True,  # its state says what of it is read already
        )
        await run_beside(group, watching.run(), stopping)


async def _source(table: Follower, stopping: asyncio.Event) -> str:
    """The `ce_source` of rows, once somebody has installed something here."""
    while INSTALLATION_KEY not in table.rows:
        if stopping.is_set():
            return ""  # the group ends before it begins
        with suppress(TimeoutError):
            async with asyncio.timeout(1):
                await table.changed()
    installation = row(INSTALLATION_KEY, table.rows[INSTALLATION_KEY])
    assert isinstance(installation, Installation)
    return f"farandole://{installation.id}/farandole/bookkeeper"
