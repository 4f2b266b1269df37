"""One browser, and one pipeline at work, for all journeys."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from farandole.broker.settings import Settings
from farandole.operations.setup.new_pipeline import NewPipelineRequest, create_pipeline
from tests.cli.conftest import environment, process
from tests.cli.running import Running
from tests.conftest import private_namespace
from tests.web.browser.chromium import PATIENCE, desk, running_chromium, watch_faults

START_SECONDS = 120
_LINK = re.compile(r"(http://127\.0\.0\.1:\d+/\S*)")


@dataclass(frozen=True, slots=True)
class Site:
    """A pipeline at work, as `init` makes it, and its console."""

    settings: Settings
    folder: Path
    link: str
    """What `up` prints: it lets in who opens it."""
    up: Running


def console_path(site: Site, path: str) -> str:
    """Return the address of a page: `runs`, `pipelines/shop`."""
    return urljoin(site.link, f"/{path}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker have all journeys."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


_CHECKED = (
    "{key: customer, checks: {dear: {rule: range, column: cents_each, max: 1000},"
    " there: {rule: not-null, column: item},"
    " free: {rule: range, column: cents_each, min: 1, severity: park}}}"
)
"""What is asked of the orders, for the pages about the quality of data and parked rows."""


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def chromium() -> AsyncIterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    async with running_chromium() as browser:
        yield browser


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def site(
    kafka: Settings, delete_topics: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Site]:
    settings, folder = private_namespace(kafka), tmp_path_factory.mktemp("shop")
    create_pipeline(NewPipelineRequest(folder, "minimal", "shop"))
    file = folder / "topology.yaml"
    file.write_text(file.read_text().replace("{key: customer}", _CHECKED))
    up = Running(process("-C", str(folder), "up", env=environment(settings)))
    try:
        yield Site(settings, folder, await _printed_link(up), up)
    finally:
        up.child.terminate()
        try:
            await asyncio.to_thread(up.ended, 60)
        except subprocess.TimeoutExpired:
            up.child.kill()
        delete_topics(settings.names.prefix)


async def _printed_link(up: Running) -> str:
    """Return the link to the console once it answers."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            assert up.child.poll() is None, up.err
            for line in up.out:
                if "console" in line and (link := _LINK.search(line)) and await _answers(link[1]):
                    return link[1]
            await asyncio.sleep(0.1)


async def _answers(link: str) -> bool:
    address = urlsplit(link)
    try:
        _, writer = await asyncio.open_connection(address.hostname, address.port)
    except OSError:
        return False
    writer.close()
    return True


@pytest_asyncio.fixture(loop_scope="package")
async def page(chromium: Browser, site: Site) -> AsyncIterator[Page]:
    """A page of somebody who has opened the link. Whatever goes wrong in it fails the test."""
    context = await desk(chromium)
    page = await context.new_page()
    faults = watch_faults(page)
    await page.goto(site.link)
    yield page
    await context.close()
    assert faults == []
