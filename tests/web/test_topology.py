"""Is the topology edited, checked, planned, applied and rolled back as people expect?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farandole.broker.settings import Settings
from farandole.operations.topology import file_text
from farandole.operations.topology.followed_files import following
from farandole.router.topology_store import current_version
from tests.router.test_file_watcher import routing
from tests.web.api import Api, running_console
from tests.web.drafts import (
    SLOWER,
    TOPOLOGY,
    WITHOUT_INGEST,
    applied,
    planned,
    request_feed,
    revision_of,
    write_folder,
)

pytestmark = pytest.mark.kafka


@pytest.fixture
async def api(settings: Settings, tmp_path: Path) -> AsyncIterator[Api]:
    write_folder(tmp_path)
    async with running_console(settings, tmp_path) as api:
        yield api


async def test_a_text_is_edited_linted_planned_refused_allowed_and_rolled_back(
    api: Api, settings: Settings, tmp_path: Path
) -> None:
    assert (await applied(api, TOPOLOGY)).data["version"] == "order-lines@1"
    await request_feed(settings)

    found = (await api.get("/topology/file")).data
    edit = {"edit": "remove-stage", "stage": "ingest"}
    edited = (await api.post("/topology/edits", {"text": found["text"], "edit": edit})).data["text"]
    edit = {"edit": "remove-event", "event": "feed.requested"}
    edited = (await api.post("/topology/edits", {"text": edited, "edit": edit})).data["text"]
    assert edited == WITHOUT_INGEST
    assert (await api.post("/topology/lint", {"text": edited})).data["fit"]

    plan = await planned(api, edited)
    dangerous = [(c["sign"], c["name"]) for c in plan["changes"] if c["danger"]]
    assert dangerous == [("-", "ingest"), ("-", "feed.requested")]
    assert (plan["next"], plan["confirm"]) == (2, ["ingest", "feed.requested"])
    refused = await api.post("/topology/apply", plan["draft"])
    assert (refused.status, refused.data["code"]) == (422, "dangerous_changes")
    unnamed = {**plan["draft"], "allow": ["unread"], "confirmed": ["load"]}
    refused = await api.post("/topology/apply", unnamed)
    assert (refused.status, refused.data["code"]) == (422, "confirmation_missing")
    assert (tmp_path / "topology.yaml").read_text() == TOPOLOGY

    done = await api.post("/topology/apply", {**unnamed, "confirmed": plan["confirm"]})
    assert (done.status, done.data["version"]) == (200, "order-lines@2"), done.text
    assert (tmp_path / "topology.yaml").read_text() == WITHOUT_INGEST

    back = (await api.post("/topology/order-lines/rollback/plan", {"version": 1})).data
    assert next(c["name"] for c in back["changes"] if c["sign"] == "+") == "ingest"
    wanted = {"version": 1, "token": back["token"]}
    done = await api.post("/topology/order-lines/rollback", wanted)
    assert (done.data["version"], done.data["file_differs"]) == ("order-lines@3", True), done.text
    history = (await api.get("/topology/order-lines/versions")).data
    assert [(each["version"], each["rollback_of"]) for each in history] == [
        ("order-lines@3", 1), ("order-lines@2", None), ("order-lines@1", None),
    ]  # fmt: skip


async def test_a_file_that_somebody_else_has_saved_is_a_conflict(api: Api, tmp_path: Path) -> None:
    plan = await planned(api, SLOWER)
    (tmp_path / "topology.yaml").write_text(TOPOLOGY + "# by hand\n")
    conflict = await api.post("/topology/apply", plan["draft"])
    assert (conflict.status, conflict.data["code"]) == (409, "file_changed")
    assert conflict.data["fields"]["text"] == TOPOLOGY + "# by hand\n"
    assert (tmp_path / "topology.yaml").read_text() == TOPOLOGY + "# by hand\n"


async def test_a_plan_for_another_version_in_force_is_stale(api: Api, settings: Settings) -> None:
    plan = await planned(api, SLOWER)
    await applied(api, TOPOLOGY)
    conflict = await api.post("/topology/apply", plan["draft"])
    assert (conflict.status, conflict.data["code"]) == (409, "stale_token")
    version = await current_version(settings, "order-lines")
    assert version is not None
    assert version.version == 1


async def test_a_plan_for_other_functions_is_stale(api: Api, tmp_path: Path) -> None:
    plan = await planned(api, SLOWER)
    code = tmp_path / "work" / "schemas.py"
    code.write_text(code.read_text() + "    cents: int = 0\n")
    conflict = await api.post("/topology/apply", plan["draft"])
    assert (conflict.status, conflict.data["code"]) == (409, "stale_token")


async def test_where_a_router_follows_the_file_it_applies_what_is_saved(
    api: Api, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "topology.yaml"
    with following(tmp_path, settings.namespace, [file]):
        async with routing(settings, file) as (world, _):
            await world.rested.wait()
            assert (await api.get("/topology/file")).data["followed_by"]
            done = await applied(api, SLOWER)
    assert done.data["applied_by"].startswith("process"), done.text
    assert (done.data["version"], done.data["changed"]) == ("order-lines@2", True)
    version = await current_version(settings, "order-lines")
    assert version is not None
    assert version.published_by == "the router"


async def test_what_is_dangerous_is_published_here_and_no_router_asks_for_it_again(
    api: Api, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "topology.yaml"
    wide = TOPOLOGY.replace("{partitions: 1, key", "{partitions: 3, key")
    with following(tmp_path, settings.namespace, [file]):
        async with routing(settings, file) as (world, logs):
            world.rested.clear()
            done = await applied(api, wide, allow=["keys"], confirmed=["line.ingested"])
            async with asyncio.timeout(180):
                await world.rested.wait()
    assert (done.status, done.data["version"]) == (200, "order-lines@2"), done.text
    assert file.read_text() == wide
    assert [entry["event"] for entry in logs if entry["event"] == "route.waiting"] == []


async def test_a_file_that_cannot_be_written_is_planned_and_not_applied(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_text, "why_unwritable", lambda _: "it is mounted read-only")
    monkeypatch.setattr(
        "farandole.operations.topology.draft.why_unwritable", lambda _: "it is mounted read-only"
    )
    plan = await planned(api, SLOWER)
    assert plan["unwritable_because"] == "it is mounted read-only"
    refused = await api.post("/topology/apply", plan["draft"])
    assert (refused.status, refused.data["code"]) == (422, "file_unwritable")
    assert "save the text where the file is kept" in refused.data["detail"]
    assert (tmp_path / "topology.yaml").read_text() == TOPOLOGY


async def test_a_text_with_mistakes_is_not_planned(api: Api) -> None:
    broken = TOPOLOGY.replace("subscribes: line.ingested", "subscribe: line.ingested")
    draft = {"text": broken, "revision": await revision_of(api)}
    refused = await api.post("/topology/plan", draft)
    assert (refused.status, refused.data["code"]) == (422, "findings")
    assert refused.data["fields"]["findings"][0]["line"] == 10
