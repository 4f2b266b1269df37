"""What does the monitor say where it cannot keep its tables?"""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.monitor.service import FolderNotWritableError, MonitorRunningError, run_monitor
from farandole.monitor.settings import MonitorSettings


async def test_a_folder_that_cannot_be_written_is_named_with_what_to_do(
    tmp_path: Path, unset: None
) -> None:
    (tmp_path / ".farandole").write_text("in the way")
    with pytest.raises(FolderNotWritableError, match="FARANDOLE_MONITOR_FOLDER") as error:
        await run_monitor(Settings(), MonitorSettings(), tmp_path, asyncio.Event())
    assert str(tmp_path / ".farandole" / "monitor") in str(error.value)


async def test_a_second_monitor_names_the_process_that_has_the_folder(
    tmp_path: Path, unset: None
) -> None:
    """That one may be frozen, and then somebody has to kill it."""
    data = tmp_path / ".farandole" / "monitor"
    data.mkdir(parents=True)
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        with pytest.raises(MonitorRunningError, match="process 4711"):
            await run_monitor(Settings(), MonitorSettings(), tmp_path, asyncio.Event())
