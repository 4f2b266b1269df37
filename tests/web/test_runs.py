"""Does the API list runs as the read model knows them?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
import uvicorn

from farandole.broker.settings import Settings
from farandole.operations.setup.web_settings import WebSettings
from farandole.web.access import Principal, Role
from farandole.web.access_token import AccessToken
from farandole.web.application import create_application
from farandole.web.authentication import Recognised
from farandole.web.console import Console
from farandole.web.request_guard import Gate, RequestGuard
from tests.read_model.fed import FedModel
from tests.read_model.stand import installation_of, run_row
from tests.web.api import Api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """The API of a console whose model has six runs: r6 is the newest."""
    installation = installation_of(Settings(bootstrap="localhost:9"))
    console = Console(installation, WebSettings(), AccessToken("unused"))
    FedModel(console.model).write(
        run_row("r1", "completed", 1_000, closed=3_000),
        run_row("r2", "completed with dead letters", 2_000, closed=5_000),
        run_row("r3", "failed", 3_000, closed=3_200),
        run_row("r4", "running", 4_000, late=True),
        run_row("r5", "completed", 5_000, closed=9_000, version=2),
        run_row("r6", "running", 6_000, version=2),
    )
    listener = socket.create_server(("127.0.0.1", 0))
    somebody = Recognised(Principal("somebody", Role.VIEWER))
    gate = Gate(lambda _: somebody, console.web.allowed_hosts)
    application = RequestGuard(create_application(console), gate)
    server = uvicorn.Server(
        uvicorn.Config(application, log_config=None, lifespan="off", access_log=False)
    )
    serving = asyncio.create_task(server.serve([listener]))
    async with aiohttp.ClientSession() as client:
        yield Api(client, f"http://127.0.0.1:{listener.getsockname()[1]}/")
    server.should_exit = True
    await serving


async def ids(api: Api, query: str) -> list[str]:
    return [run["run"] for run in (await api.get(f"/runs{query}")).data["runs"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["r6", "r5", "r4", "r3", "r2", "r1"]),
        ("?status=running", ["r6", "r4"]),
        ("?status=failed&status=running", ["r6", "r4", "r3"]),
        ("?late=true", ["r4"]),
        ("?version=2&status=completed", ["r5"]),
        ("?since=3000&until=5000", ["r4", "r3"]),
        ("?q=R3", ["r3"]),
        ("?pipeline=nobody", []),
    ],
)
async def test_filters_narrow_the_list(api: Api, query: str, found: list[str]) -> None:
    assert await ids(api, query) == found


async def test_a_cursor_goes_on_where_a_page_has_ended(api: Api) -> None:
    first = (await api.get("/runs?limit=4")).data
    assert (len(first["runs"]), first["total"]) == (4, 6)
    assert await ids(api, f"?limit=4&cursor={first['cursor']}") == ["r2", "r1"]


async def test_a_run_comes_with_how_long_those_before_it_took(api: Api) -> None:
    before = (await api.get("/runs?limit=2")).data["before"]
    assert before == {"r6": [2_000, 3_000, 4_000], "r5": [2_000, 3_000]}


async def test_the_overview_counts_all_statuses_whatever_is_chosen(api: Api) -> None:
    overview = (await api.get("/runs/overview?status=failed")).data
    assert overview["statuses"] == {
        "completed": 2, "completed with dead letters": 1, "failed": 1, "running": 2,
    }  # fmt: skip
    assert (overview["total"], overview["late"]) == (6, 1)
    assert [(each["version"], each["runs"]) for each in overview["versions"]] == [(2, 2), (1, 4)]
    assert overview["durations"]["median"] == 3_000


async def test_the_overview_of_a_time_counts_that_time_alone(api: Api) -> None:
    assert (await api.get("/runs/overview?since=5000")).data["statuses"] == {
        "completed": 1,
        "running": 1,
    }


@pytest.mark.parametrize("query", ["?status=done", "?cursor=none", "?limit=0"])
async def test_what_cannot_be_asked_is_refused(api: Api, query: str) -> None:
    answer = await api.get(f"/runs{query}")
    assert (answer.status, answer.data["code"]) == (400, "invalid_request")
