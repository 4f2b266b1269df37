"""What does the monitor say where it cannot keep its tables?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.monitor.service import FolderNotWritableError, run_monitor
from farandole.monitor.settings import MonitorSettings


async def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(
    tmp_path: Path, unset: None
) -> None:
    (tmp_path / ".farandole").write_text("in the way")
    with pytest.raises(FolderNotWritableError, match="FARANDOLE_MONITOR_FOLDER") as error:
        await run_monitor(Settings(), MonitorSettings(), tmp_path, asyncio.Event())
    assert str(tmp_path / ".farandole" / "monitor") in str(error.value)
