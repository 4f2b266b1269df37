"""Does the API tell who has done what, and what runs?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from tests.external.orders import EXAMPLE
from tests.rewiring.test_live import put
from tests.web.api import AS_PROXY, as_user, running_console

pytestmark = pytest.mark.kafka


async def test_what_is_done_by_the_web_is_told_with_user_role_and_address(
    settings: Settings, tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    await put(settings, tmp_path, (tmp_path / "topology.yaml").read_text())
    operator = {**as_user("ann", "operators"), "x-forwarded-for": "10.1.2.3"}
    async with running_console(settings, tmp_path, AS_PROXY) as api:
        body = {"event_type": "order.placed", "data": "{}", "pipeline": "orders"}
        headers = {**operator, "origin": api.url.rstrip("/")}
        refused = await api.post("/trigger", body, headers=headers)
        assert refused.status == 422, refused.text
        found = (await api.get("/actions", headers=as_user("bob"))).data
        services = (await api.get("/services", headers=as_user("bob"))).data
    (action,) = found["actions"]
    assert (action["who"], action["role"], action["via"]) == ("ann", "operator", "web")
    assert (action["origin"], action["what"], action["target"]) == (
        "10.1.2.3", "trigger", "order.placed",
    )  # fmt: skip
    assert (action["result"], found["next"]) == ("refused", None)
    health = {each["name"]: each["health"] for each in services["services"]}
    assert health["bookkeeper"] == "missing"
    assert [each["version"] for each in services["pipelines"]] == ["orders@1"]
    assert {each["assigned"] for each in services["stages"]} == {0}
