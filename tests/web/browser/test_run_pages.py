"""Can a run be seen to balance, and an event of it be followed, in a browser?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from farandole.broker.settings import Settings
from tests.conftest import private_namespace
from tests.web.api import TOKEN, running_console
from tests.web.browser.chromium import desk, watch_faults
from tests.web.worked_lines import work_lines

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="package")]

HOSTILE = b'{"lines": 1, "household": "h2", "note": "<img src=x onerror=alert(1)>\\u202e"}'


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of a console, at the console's address, and the runs that were worked."""

    page: Page
    url: str
    runs: list[str]


@pytest_asyncio.fixture(loop_scope="package")
async def shown(
    kafka: Settings,
    delete_topics: Callable[[str], None],
    tmp_path: Path,
    chromium: Browser,
) -> AsyncIterator[Shown]:
    settings = private_namespace(kafka)
    roots = [b'{"lines": 20, "household": "h1"}', HOSTILE]
    rows = await asyncio.create_task(work_lines(settings, tmp_path, roots))
    async with running_console(settings, tmp_path) as api:
        context = await desk(chromium)
        page = await context.new_page()
        faults = watch_faults(page)
        await page.goto(f"{api.url}login?token={quote(TOKEN)}")
        yield Shown(page, api.url, [row["run"] for row in rows])
        await context.close()
    delete_topics(settings.names.prefix)
    assert faults == []


async def test_a_run_is_seen_to_balance_and_a_dead_line_is_traced_to_its_root(
    shown: Shown,
) -> None:
    page = shown.page
    await page.goto(f"{shown.url}runs/{shown.runs[0]}")
    await expect(page.get_by_text("adds up, difference 0")).to_be_visible()
    sheet = page.get_by_role("table", name="Balance sheet")
    check = sheet.get_by_role("row").filter(has_text="line.read")
    await expect(check).to_contain_text("20=16")
    await page.get_by_role("link", name="Trace", exact=True).click()
    rail = page.get_by_role("table", name="Causes and effects")
    await expect(rail.get_by_text("Reject: ••• paid for nothing").first).to_be_visible()
    await rail.get_by_role("button", name=re.compile(r"^line\.read.\d")).first.click()
    await expect(page.get_by_role("complementary").get_by_text("ce_type")).to_be_visible()


async def test_hostile_data_are_text_and_a_run_is_triggered_with_a_form(shown: Shown) -> None:
    page = shown.page
    await page.goto(f"{shown.url}events/asked/0/1?pipeline=lines")
    await expect(page.get_by_text("onerror")).to_be_visible()
    await expect(page.locator("main img")).to_have_count(0)
    await page.goto(f"{shown.url}trigger?pipeline=lines")
    await page.get_by_role("button", name="household", exact=True).click()
    await page.get_by_role("textbox", name="household", exact=True).fill("h9")
    await page.get_by_role("button", name="Trigger 1 run").click()
    await expect(page).to_have_url(re.compile(r"/runs/[a-z2-7]{13}"), timeout=180_000)
    await expect(page.get_by_text("1 root")).to_be_visible()
