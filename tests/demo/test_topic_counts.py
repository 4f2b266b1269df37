"""Are exactly one run's events and letters counted, and only what was committed of them?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from farandole.broker.kafka_clients import make_producer, open_client
from farandole.broker.settings import Settings
from farandole.demo.topic_counts import RunCounts, count_run_events, topic_ends
from farandole.events import settlement_record
from farandole.router.topology_derivation import derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.router.version_publisher import publish_version
from tests.cli.conftest import ROOT
from tests.operations.buried import bury

pytestmark = pytest.mark.kafka

MINE, OTHERS = [("ce_runid", b"mine")], [("ce_runid", b"others")]


async def send(settings: Settings, to: str, headers: Any, *, commit: bool = True) -> None:
    client = make_producer(settings, transactional_id=f"{settings.namespace}.test")
    async with open_client(client, settings):
        await client.begin_transaction()
        await client.send_and_wait(to, b"{}", headers=headers)
        await (client.commit_transaction() if commit else client.abort_transaction())


async def test_one_run_is_counted_from_its_beginning(settings: Settings) -> None:
    names = settings.names
    checked = check_topology_file(ROOT / "topology.yaml", names)
    assert checked.topology is not None
    derived = derive_topology(checked.topology, checked.signatures, names)
    version = (await publish_version(settings, derived, "a test")).version
    lines = version.events["line.ingested"].topic
    dead = names.dead_topic("order-lines", "validate")
    await send(settings, lines, MINE)  # before the run began: somebody's forgery
    since = await topic_ends(settings, version)
    await send(settings, lines, MINE)
    await send(settings, lines, MINE, commit=False)
    await send(settings, lines, OTHERS)
    await send(settings, dead, [*MINE, ("dead_message", b"why")])
    await send(settings, dead, [*OTHERS, ("dead_message", b"why")])
    await bury(
        settings,
        dead,
        settlement_record.make_settlements([0], "replayed", by="me", at=datetime.now(UTC)),
    )
    counted = await count_run_events(settings, version, "mine", since)
    emitted = {t: 0 for t in version.events if version.emitters(t)}
    assert counted == RunCounts({**emitted, "line.ingested": 1}, {"why": 1})
