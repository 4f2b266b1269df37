"""Does the console send its client, at any depth and below any base path?"""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
import pytest
from fastapi import FastAPI

from farandole.web.problems import add_error_handlers
from farandole.web.static_files import STATIC, add_client

PAGE = (
    '<meta name="base" content="./"><meta name="style-nonce" content="" />'
    '<script src="./assets/index-abc.js"></script>'
)
SCRIPT = "export const x = 1;\n" * 50


@pytest.fixture
def static(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "assets" / "index-abc.js").write_text(SCRIPT)
    (folder / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (tmp_path / "secret.txt").write_text("not to be sent")
    return folder


@dataclass(frozen=True, slots=True)
class Sent:
    """What the browser is sent."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()


async def get(
    static: Path, path: str, root_path: str = "", accepts: str = "gzip", nonce: str = ""
) -> Sent:
    """Ask an application that has nothing but the client; `nonce` is that of the page's policy."""
    application = FastAPI(openapi_url=None)
    add_error_handlers(application)
    add_client(application, static)
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()  # the browser stays
        raise AssertionError

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": root_path,
        "query_string": b"",
        "headers": [(b"accept-encoding", accepts.encode())],
        "state": {"style_nonce": nonce},
    }
    await application(scope, receive, send)
    start, *rest = messages
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return Sent(start["status"], headers, b"".join(part.get("body", b"") for part in rest))


@pytest.mark.parametrize(
    ("path", "up"),
    [
        ("/", "./"),
        ("/runs", "./"),
        ("/runs/k7mq2", "../"),
        ("/events/a.b/0/12", "../../../"),
        ("/trace/a.b%2F0%2f12", "../"),
    ],
)
async def test_a_deep_link_gets_the_page_with_addresses_that_lead_up(
    static: Path, path: str, up: str
) -> None:
    answer = await get(static, path)
    assert answer.text == PAGE.replace("./", up)
    assert answer.headers["cache-control"] == "no-cache"


async def test_the_depth_is_counted_below_the_base_path_of_a_proxy(static: Path) -> None:
    answer = await get(static, "/x/runs/k7mq2", root_path="/x")
    assert answer.text == PAGE.replace("./", "../")


async def test_a_file_with_a_hash_in_its_name_is_kept_for_ever(static: Path) -> None:
    answer = await get(static, "/assets/index-abc.js")
    assert answer.text == SCRIPT
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]


async def test_a_browser_that_cannot_unpack_gets_the_file_itself(static: Path) -> None:
    answer = await get(static, "/assets/index-abc.js", accepts="identity")
    assert answer.text == SCRIPT
    assert "content-encoding" not in answer.headers


async def test_a_file_without_a_hash_is_asked_for_each_time(static: Path) -> None:
    assert (await get(static, "/favicon.svg")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/assets/index-old.js", f"/{'a' * 200}.js", "/api", "/api/v1/nothing"]
)
async def test_what_is_no_page_is_not_found(static: Path, path: str) -> None:
    answer = await get(static, path)
    assert (answer.status, orjson.loads(answer.body)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt", "/%2e%2e/secret.txt"]
)
async def test_nothing_outside_of_the_folder_is_sent(static: Path, path: str) -> None:
    assert "not to be sent" not in (await get(static, path)).text


@pytest.mark.parametrize("path", [f"/{'a' * 5000}.js", f"/assets/a.{'b' * 300}"])
async def test_a_name_that_no_file_can_have_is_that_of_a_page(static: Path, path: str) -> None:
    assert (await get(static, path)).status == 200


async def test_without_the_bundle_the_page_says_how_to_build_it(tmp_path: Path) -> None:
    answer = await get(tmp_path / "none", "/runs")
    assert answer.status == 503
    assert "make web" in answer.text
    assert "<code>./api/v1</code>" in answer.text


async def test_the_page_names_the_nonce_of_its_policy(static: Path) -> None:
    sent = await get(static, "/runs/k7mq2", nonce="a-word")
    assert '<meta name="style-nonce" content="a-word" />' in sent.text


def test_all_scripts_of_the_built_client_stay_small() -> None:
    scripts = [*STATIC.glob("assets/*.js.gz")]
    if not scripts:
        pytest.skip("the client is not built here")
    assert sum(file.stat().st_size for file in scripts) <= 480_000  # bytes
