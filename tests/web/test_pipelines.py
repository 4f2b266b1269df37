"""Which pipelines does the API name?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from tests.external.orders import EXAMPLE
from tests.rewiring.test_live import put
from tests.web.api import running_console

pytestmark = pytest.mark.kafka


async def test_a_published_pipeline_is_named_with_its_version(
    settings: Settings, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    async with running_console(settings, tmp_path) as api:
        assert (await api.get("/pipelines")).data == []
        await put(settings, tmp_path, (tmp_path / "topology.yaml").read_text())
        (found,) = (await api.get("/pipelines")).data
    assert (found["pipeline"], found["version"], found["in_folder"]) == ("orders", 1, True)
    assert found["roots"] == ["order.placed"]


async def test_an_unknown_path_is_a_problem(settings: Settings, tmp_path: Path) -> None:
    async with running_console(settings, tmp_path) as api:
        answer = await api.get("/nothing")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status, answer.data["status"], answer.data["code"]) == (404, 404, "not_found")
