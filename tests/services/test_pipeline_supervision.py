"""Do the services of a pipeline end, in words, when a newer release has published a version?"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from farandole.broker.settings import Settings
from farandole.catalog.published_versions import PublishedVersions, VersionsByNumber
from farandole.events.row_format import NewerFormatError
from farandole.services.pipeline_supervision import supervise_until_stopped
from tests.services.test_supervisor import service


class NewerVersion:
    """Published versions of which the next one cannot be read."""

    def __init__(self) -> None:
        self.versions: VersionsByNumber = {}

    async def changed(self) -> VersionsByNumber:
        raise NewerFormatError("version p@2", 9, 2)


async def test_services_are_drained_at_a_version_of_a_newer_release(tmp_path: Path) -> None:
    published = cast(PublishedVersions, NewerVersion())
    with pytest.raises(NewerFormatError, match="version p@2 has format 9"):
        await supervise_until_stopped(
            Settings(bootstrap="localhost:1"),
            published,
            lambda _: [service("work", tmp_path / "diary")],
            lambda: None,
            pipeline="p",
            folder=tmp_path,
            announce_metrics=lambda _: None,
        )
