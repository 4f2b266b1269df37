"""Does a console end that can do its work no more?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.operations.read_model.read_model import ReadModel
from farandole.operations.setup.web_settings import WebSettings
from farandole.web.service import run_console
from tests.read_model.stand import installation_of


async def test_a_console_whose_read_model_has_a_fault_ends(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def fail(_: ReadModel) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ReadModel, "run", fail)
    monkeypatch.chdir(tmp_path)
    installation = installation_of(Settings(bootstrap="localhost:9"))
    async with asyncio.timeout(180):
        with pytest.raises(ZeroDivisionError):
            await run_console(
                installation, WebSettings(web_port=0), asyncio.Event(), lambda _: None
            )
