"""A small pipeline that real workers have worked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.events.topology_version import Version
from tests.rewiring.edits import PLAIN
from tests.rewiring.test_live import at_rest, at_work, edit

STAGES = Path(__file__).parents[1] / "rewiring" / "pipeline" / "stages"


async def worked(settings: Settings, folder: Path, roots: Sequence[bytes]) -> Version:
    """asked > [take] > taken > [make] > made > [give] > given; all of `roots` in partition 0."""
    version = await edit(settings, folder, PLAIN)
    async with at_work(settings, folder, 1):
        async with open_client(make_producer(settings), settings) as client:
            for value in roots:
                await client.send_and_wait(version.events["asked"].topic, value, partition=0)
        await at_rest(settings)
    return version
