"""Of what is a report about the controls in force asked?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.catalog.active_stages import active_stages
from farandole.catalog.published_versions import VersionsByNumber
from farandole.events.controls_in_force import TimedDocument, newest_switch
from farandole.events.switch_document import Mode, SwitchDocument
from farandole.events.topology_version import Version
from farandole.operations.control.control_query import read_control_state
from farandole.operations.installation import Installation
from farandole.operations.names import require_known


class SharesReader:
    """What lanes and processes use of the rates, read once, when it is asked for first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._rows: Mapping[bytes, bytes] | None = None

    async def rows(self) -> Mapping[bytes, bytes]:
        """Return the rows of `farandole.shares`. Raises BrokerError."""
        async with self._lock:
            if self._rows is None:
                self._rows = await read_table(self._settings, self._settings.names.shares_topic)
            return self._rows


class StageScope(NamedTuple):
    """A stage of which a report is asked."""

    settings: Settings
    version: Version
    """The newest version that has the stage."""
    stage: str
    documents: Sequence[TimedDocument]
    """Every control document, in the order of the log."""
    now: datetime
    versions: VersionsByNumber
    """All versions of the pipeline."""
    shares: SharesReader

    def newest_switch_to(self, mode: Mode) -> tuple[int, SwitchDocument] | None:
        """Return the generation and the document of the stage's newest switch, also once it is
        over; None if there is none, or it says another mode."""
        newest = newest_switch(self.documents, self.version.pipeline, self.stage)
        if newest is None or not isinstance(newest.control, SwitchDocument):
            return None
        return (newest.generation, newest.control) if newest.control.mode == mode else None


async def stage_scope(installation: Installation, stage: str) -> StageScope:
    """Return what a report about a stage is asked of. Raises NotFoundError (`unknown_stage`,
    `nothing_applied`) and BrokerError."""
    versions = await installation.versions()
    require_known(stage, active_stages(versions), "stage")
    version = max((v for v in versions.values() if stage in v.stages), key=lambda v: v.version)
    documents = [*(await read_control_state(installation.settings)).values()]
    return StageScope(
        installation.settings,
        version,
        stage,
        documents,
        datetime.now(UTC),
        versions,
        SharesReader(installation.settings),
    )


class PipelineScope(NamedTuple):
    """A pipeline of which a report is asked."""

    settings: Settings
    version: Version
    """The version in force."""
    documents: Sequence[TimedDocument]
    """Every control document, in the order of the log."""
    now: datetime
    versions: VersionsByNumber
    """All versions of the pipeline."""
    shares: SharesReader
