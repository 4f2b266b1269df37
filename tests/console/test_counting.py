"""Are exactly one run's events and letters counted, and only what was committed of them?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from farandole.broker.clients import opened, producer
from farandole.broker.settings import Settings
from farandole.console.demonstration.counting import Counted, count, ends
from farandole.events import settlement
from farandole.router.check import check
from farandole.router.derive import derive
from farandole.router.publish import apply
from tests.console.buried import bury
from tests.console.conftest import ROOT

pytestmark = pytest.mark.kafka

MINE, OTHERS = [("ce_runid", b"mine")], [("ce_runid", b"others")]


async def send(settings: Settings, to: str, headers: Any, *, commit: bool = True) -> None:
    client = producer(settings, transactional_id=f"{settings.namespace}.test")
    async with opened(client, settings):
        await client.begin_transaction()
        await client.send_and_wait(to, b"{}", headers=headers)
        await (client.commit_transaction() if commit else client.abort_transaction())


async def test_one_run_is_counted_from_its_beginning(settings: Settings) -> None:
    names = settings.names
    checked = check(ROOT / "topology.yaml", names)
    assert checked.form is not None
    derived = derive(checked.form, checked.signatures, names)
    version = (await apply(settings, derived, "a test")).version
    lines = version.events["line.ingested"].topic
    dead = names.dead("order-lines", "validate")
    await send(settings, lines, MINE)  # before the run began: somebody's forgery
    since = await ends(settings, version)
    await send(settings, lines, MINE)
    await send(settings, lines, MINE, commit=False)
    await send(settings, lines, OTHERS)
    await send(settings, dead, [*MINE, ("dead_message", b"why")])
    await send(settings, dead, [*OTHERS, ("dead_message", b"why")])
    await bury(settings, dead, settlement.make([0], "replayed", by="me", at=datetime.now(UTC)))
    counted = await count(settings, version, "mine", since)
    emitted = {t: 0 for t in version.events if version.emitters(t)}
    assert counted == Counted({**emitted, "line.ingested": 1}, {"why": 1})
