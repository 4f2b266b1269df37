"""A shipped pipeline that nobody works, and letters of its stage `validate`."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_spec import TopicSpec
from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.run_ids import RunIdGenerator
from farandole.events.topology_version import Version
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.router.topology_store import current_version
from tests.cli.conftest import LINE, ROOT
from tests.operations.buried import FIRST, bury
from tests.rewiring.test_live import put
from tests.web.api import Api, running_console

PIPELINE = "order-lines"
FRESH = {"fresh": "true"}


@dataclass
class Cemetery:
    """A console beside letters that a test has buried."""

    settings: Settings
    version: Version
    api: Api
    _lines: Any

    async def bury(
        self,
        *messages: str,
        data: Any = LINE,
        headers: Sequence[tuple[str, bytes]] = (),
        **more: Any,
    ) -> None:
        """One letter for each message."""
        root = self.version.events["feed.requested"].topic
        run = RunIdGenerator(self.version.installation, root).run_id(0, 0, self.version.format)
        fields: dict[str, Any] = {
            "stage": "validate", "version": self.version.name, "error": "Reject", "attempts": 3,
            "run": run, "first_failed": FIRST, "place": "validate.py:3", "traceback": "Traceback",
        } | more  # fmt: skip
        value = data if isinstance(data, bytes) else json.dumps(data).encode()
        written = []
        for message in messages:
            number = next(self._lines)
            event = SimulatedRecord(
                self.version.events["line.ingested"].topic, 1, number, value, b"7",
                [("ce_id", b"chunk.planned/0/0/%d" % number), ("ce_type", b"line.ingested"),
                 *headers],
                5,
            )  # fmt: skip
            death = FailureAccount(message=message, **fields)
            written.append(build_dead_letter(event, death, largest=1_000_000))
        await bury(self.settings, self.settings.names.dead_topic(PIPELINE, "validate"), written)

    async def kind(self, title: str) -> dict[str, Any]:
        """The kind with this title."""
        kinds = (await self.api.get("/dead-letters/kinds", params=FRESH)).data["kinds"]
        (found,) = [each for each in kinds if each["title"] == title]
        return dict(found)

    async def letters(self, kind: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """The letters of a kind, the newest first."""
        asked = {"fingerprint": kind["fingerprint"], "state": "all", **FRESH, **more}
        page = (await self.api.get("/dead-letters", params=asked)).data
        return list(page["letters"])


@asynccontextmanager
async def open_cemetery(settings: Settings, folder: Path) -> AsyncIterator[Cemetery]:
    """Apply the shipped pipeline, and run a console for it."""
    shutil.copy(ROOT / "topology.yaml", folder)
    await put(settings, folder, (folder / "topology.yaml").read_text())
    topic = settings.names.retry_topic(PIPELINE, "validate")
    async with ClusterAdmin.open(settings) as admin:
        await admin.create_topics({topic: TopicSpec(4, {"cleanup.policy": "compact"})})
    version = await current_version(settings, PIPELINE)
    assert version is not None
    async with running_console(settings, folder) as api:
        yield Cemetery(settings, version, api, count())
