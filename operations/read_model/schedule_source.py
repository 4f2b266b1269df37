"""Who knows how schedules stand without reading topics that are followed anyhow?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from farandole.operations.installation import Installation
from farandole.operations.read_model.read_model import ReadModel
from farandole.operations.schedules.schedule_reader import ReadSource, ScheduleFacts


@dataclass(frozen=True, slots=True)
class FollowedSource:
    """Answers from a read model, and reads the topics while that may be out of date."""

    model: ReadModel
    installation: Installation

    async def facts(self) -> ScheduleFacts:
        """As `ScheduleSource.facts`."""
        facts = await self.model.schedule_facts()
        return facts or await ReadSource(self.installation).facts()

    async def statuses(self, runs: Collection[str]) -> Mapping[str, str]:
        """As `ScheduleSource.statuses`. A run that the model does not know, such as an old one, has
        none."""
        known = self.model.run_statuses(runs)
        return await ReadSource(self.installation).statuses(runs) if known is None else known
