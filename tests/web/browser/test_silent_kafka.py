"""Does the console say that Kafka is silent, write nothing meanwhile, and go on afterwards?"""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page, expect

from tests.web.api import TOKEN, Api, running_console
from tests.web.browser.chromium import desk, watch_faults
from tests.web.browser.conftest import Site
from tests.web.browser.silence import silent_kafka

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="package")]

WAIT = 180_000  # ms
PAGES = ("Runs", "Dead letters", "Incidents", "Schedules", "Services", "Audit log", "Control")
WRITES: dict[str, Any] = {
    "/control/shop/switch": {"mode": "hold", "stage": "price"},
    "/control/shop/throttle": {"stage": "price", "rate": "1/s"},
    "/control/shop/restart": {},
    "/schedules/shop/nightly/fire": {},
    "/incidents/i1/acknowledge": {},
    "/runs/aaaaaaaaaaaaa/cancel": {},
    "/dead-letters/discard/preview": {"pipeline": "shop", "selection": {"every": True}},
    "/trigger": {"pipeline": "shop", "event_type": "order.placed", "data": "{}"},
    "/topology/shop/rollback/plan": {"version": 1},
}
SILENCE = re.compile("status of 503")
"""What Chromium says of an answer that the page shows."""


async def test_while_kafka_is_silent_nothing_is_written_and_every_page_says_so(
    chromium: Browser, site: Site, tmp_path: Path
) -> None:
    shutil.copytree(site.folder, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".*"))
    settings = site.settings.model_copy(update={"deadline": 3.0})
    async with running_console(settings, tmp_path) as api:
        context = await desk(chromium)
        page = await context.new_page()
        faults = watch_faults(page)
        await page.goto(f"{api.url}login?token={quote(TOKEN)}")
        bars = page.locator("main [aria-busy=true]")
        for name in PAGES:
            await _open(page, name)
            await expect(bars).to_have_count(0, timeout=WAIT)
        deed = page.get_by_role("button", name="Switch…").first
        await expect(deed).to_have_attribute("aria-disabled", "false", timeout=WAIT)
        silent = page.get_by_text(re.compile("Kafka has not answered for"))
        async with silent_kafka():
            writing = asyncio.create_task(_write_everything(api))
            await expect(silent).to_be_visible(timeout=WAIT)
            for name in PAGES:
                await _open(page, name)
                await expect(silent).to_be_visible()
                await expect(bars).to_have_count(0)  # what was known stands there
                await expect(page.locator("main button[aria-disabled=false]")).to_have_count(0)
            assert await writing == dict.fromkeys(WRITES, (503, "problem"))
        await expect(silent).to_have_count(0, timeout=WAIT)
        await expect(deed).to_have_attribute("aria-disabled", "false", timeout=WAIT)
        await context.close()
    assert [each for each in faults if not SILENCE.search(each)] == []


async def _open(page: Page, name: str) -> None:
    navigation = page.get_by_role("navigation", name="Pages")
    await navigation.get_by_role("link", name=re.compile(f"^{name}")).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(name), timeout=WAIT)


async def _write_everything(api: Api) -> dict[str, tuple[int, str]]:
    """The status of each write, and `problem` if it is answered as RFC 9457 has it."""
    answers = await asyncio.gather(*(api.post(path, body) for path, body in WRITES.items()))
    return {
        path: (answer.status, "problem" if {"title", "code"} <= answer.data.keys() else answer.text)
        for path, answer in zip(WRITES, answers, strict=True)
    }
