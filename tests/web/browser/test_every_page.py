"""Can every page be read by everybody, in light and dark, on a desk and in a hand?"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.web.browser.chromium import desk, watch_faults
from tests.web.browser.conftest import Site, console_path
from tests.web.browser.shop import SLOW, trigger

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.timeout(600),
]

AXE = Path(__file__).parents[3] / "web" / "client" / "node_modules" / "axe-core" / "axe.min.js"
PATHS = (
    "pipelines/shop", "pipelines/shop?view=table", "pipelines/shop/editor", "runs", "dead-letters",
    "incidents", "schedules", "control", "quality", "services", "actions", "trigger",
    "trigger?view=json",
)  # fmt: skip
PHONE: ViewportSize = {"width": 390, "height": 844}
TOO_WIDE = """
    document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll("*")]
      .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
      .map((each) => `${each.tagName}.${each.className}: ${each.textContent.slice(0, 80)}`)
"""
"""What makes a page wider than the window, so that it is panned sideways."""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def window(chromium: Browser, site: Site) -> AsyncIterator[BrowserContext]:
    """A window of somebody who has opened the link. It keeps the scripts that it has loaded."""
    context = await desk(chromium)
    opened = await context.new_page()
    await opened.goto(site.link)
    await opened.close()
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="package")
async def page(window: BrowserContext) -> AsyncIterator[Page]:
    page = await window.new_page()
    faults = watch_faults(page)
    yield page
    await page.close()
    assert faults == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_can_be_read_by_everybody(page: Page, site: Site, path: str) -> None:
    await page.goto(console_path(site, path))
    await shown(page)
    assert await findings_in_both_themes(page) == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_fits_into_a_hand(page: Page, site: Site, path: str) -> None:
    await page.set_viewport_size(PHONE)
    await page.goto(console_path(site, path))
    await shown(page)
    await fits(page)


async def test_the_pages_of_a_run_can_be_read_by_everybody(page: Page, site: Site) -> None:
    await trigger(page, site, customer="ada", item="tea", pieces="0", cents_each="450")
    await expect(page.get_by_text("adds up, difference 0")).to_be_visible(timeout=SLOW)
    assert await findings_in_both_themes(page) == []
    await page.get_by_role("link", name="Trace").first.click()
    await expect(page).to_have_url(re.compile("/trace/"))  # the page before has a heading, too
    await expect(page.get_by_role("table", name="Causes and effects")).to_be_visible()
    await shown(page)
    assert await findings_in_both_themes(page) == []
    await page.goto(console_path(site, "events/shop.order.placed/0/0"))
    await shown(page)
    assert await findings_in_both_themes(page) == []


async def shown(page: Page) -> None:
    """Wait until the page stands and nothing of it is still to come."""
    await expect(page.get_by_role("heading", level=1).first).to_be_visible(timeout=180_000)
    await expect(page.locator("main [aria-busy=true]")).to_have_count(0, timeout=180_000)


async def fits(page: Page) -> None:
    """Wait until the page is no wider than the window: a page is drawn once more when it knows how
    much room there is. Fails with what is too wide."""
    with suppress(TimeoutError):
        async with asyncio.timeout(180):
            while await page.evaluate(TOO_WIDE):
                await asyncio.sleep(0.1)
    assert await page.evaluate(TOO_WIDE) == []


async def findings_in_both_themes(page: Page) -> list[str]:
    """What axe finds that is serious, each with the theme and the place. In the dark, only what
    colours decide is looked at once more."""
    await page.evaluate(AXE.read_text())
    await page.emulate_media(color_scheme="light", reduced_motion="reduce")
    found = [f"light: {each}" for each in await findings(page)]
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    return found + [f"dark: {each}" for each in await findings(page, "color-contrast")]


async def findings(page: Page, *rules: str) -> list[str]:
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = [*rules]
    found: dict[str, Any] = await page.evaluate("options => axe.run(options)", options)
    return [
        f"{each['id']}: {node['target']}: {node['failureSummary']}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
