"""Is every request that the API's document allows answered, and none with a fault of ours?"""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.web.openapi_file import OPENAPI_FILE
from tests.external.orders import EXAMPLE
from tests.rewiring.test_live import put
from tests.web.api import TOKEN, running_console

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SECONDS = 15
ENDLESS = "/(stream|tail)$"
"""Paths of streams, which end when their reader goes."""


async def test_no_request_is_answered_with_a_fault(settings: Settings, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    await put(settings, tmp_path, (tmp_path / "topology.yaml").read_text())
    async with running_console(settings, tmp_path) as api:
        asking = await asyncio.create_subprocess_exec(
            str(SCHEMATHESIS), "run", str(OPENAPI_FILE), "--url", api.url.rstrip("/"),
            "--header", f"Authorization: Bearer {TOKEN}",
            "--checks", "not_a_server_error", "--phases", "coverage,fuzzing",
            "--max-time", str(SECONDS), "--max-examples", "5", "--request-timeout", "60",
            "--exclude-path-regex", ENDLESS, "--seed", "1", "--no-color",
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await asking.communicate()
    assert asking.returncode == 0, said.decode()[-4_000:]
