"""Is a run that the read model knows shown with its graph?"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farandole.broker.settings import Settings
from farandole.operations.installation import Installation
from farandole.operations.read_model import known_run
from farandole.operations.runs.bookkeeper_lag import BookkeeperLag
from farandole.operations.topology_source import TopologySource
from tests.cli.booked import row

CURRENT = BookkeeperLag(entries=True, members=1, behind=0)


async def test_a_run_has_its_version_also_before_the_read_model_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run_row(run: str) -> Any:
        return row(run)

    async def read_version(settings: Settings, of: Any) -> Any:
        return f"version {of['version']}, read anew"

    model: Any = SimpleNamespace(run_row=run_row, topology=SimpleNamespace(of=lambda name: []))
    monkeypatch.setattr(known_run, "version_of_run", read_version)
    monkeypatch.setattr(known_run, "balance_sheet", lambda row, now, topology, stale: topology)
    here = Installation(Settings(), Path(), TopologySource(Path("topology.yaml"), Path()))
    shown: Any = await known_run.show_known_run(model, here, "a" * 13, CURRENT)
    assert shown == "version 1, read anew"


@pytest.mark.parametrize(("closed", "is_told"), [(None, True), (1_790_000_012_500, False)])
async def test_a_bookkeeper_that_is_behind_is_told_of_while_the_run_is_open(
    monkeypatch: pytest.MonkeyPatch, closed: int | None, is_told: bool
) -> None:
    async def run_row(run: str) -> Any:
        return row(run, closed=closed)

    version = SimpleNamespace(version=1)
    model: Any = SimpleNamespace(
        run_row=run_row, topology=SimpleNamespace(of=lambda name: [version])
    )
    monkeypatch.setattr(known_run, "balance_sheet", lambda row, now, topology, stale: stale)
    here = Installation(Settings(), Path(), TopologySource(Path("topology.yaml"), Path()))
    behind = BookkeeperLag(entries=True, members=1, behind=500)
    told: Any = await known_run.show_known_run(model, here, "a" * 13, behind)
    assert (told is not None) == is_told
