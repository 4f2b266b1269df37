"""A pipeline in which lines were handled, have died, were dropped, were filtered, and wait."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from farandole.broker.settings import Settings
from farandole.events.run_row import RunRow
from tests.books.at_rest import work_at_rest

HERE = Path(__file__).parent / "lines"


async def work_lines(settings: Settings, folder: Path, roots: Sequence[bytes]) -> list[RunRow]:
    """Publish the pipeline and these roots, and have them worked as far as they can be; return the
    rows of their runs, in the order of the roots."""
    shutil.copytree(HERE, folder, dirs_exist_ok=True)
    return await work_at_rest(settings, folder, "asked", roots)
