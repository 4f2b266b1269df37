"""Does what people do in the console happen?"""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.web.browser.chromium import desk, watch_faults
from tests.web.browser.conftest import Site, console_path
from tests.web.browser.prefixed import below_a_path
from tests.web.browser.shop import SLOW, complete, trigger

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.timeout(600),
]


async def test_a_run_is_triggered_and_balances(page: Page, site: Site) -> None:
    await trigger(page, site, customer="ada", item="tea", pieces="3", cents_each="450")
    await complete(page)
    await expect(page.get_by_text("adds up, difference 0")).to_be_visible()
    sheet = page.get_by_role("table").first
    await expect(sheet.get_by_role("row").filter(has_text="order.checked")).to_contain_text(
        "balanced"
    )


async def test_a_run_appears_in_another_tab(page: Page, site: Site) -> None:
    other = await page.context.new_page()
    await other.goto(console_path(site, "runs"))
    await trigger(page, site, customer="eve", item="milk", pieces="1", cents_each="90")
    run = page.url.rsplit("/", 1)[1]
    await expect(other.locator(f"a[href$='/runs/{run}']").first).to_be_visible(timeout=SLOW)
    await complete(page)


async def test_the_events_of_an_edge_are_tailed(page: Page, site: Site) -> None:
    await page.goto(console_path(site, "pipelines/shop"))
    await page.get_by_role("row").filter(has_text="order.priced").click(timeout=SLOW)
    panel = page.get_by_role("complementary", name="order.priced")
    await expect(panel.get_by_role("status")).to_contain_text("as they come", timeout=SLOW)
    other = await page.context.new_page()
    await trigger(other, site, customer="zoe", item="tea", pieces="2", cents_each="450")
    entry = panel.get_by_role("listitem").filter(has_text="zoe")
    await entry.locator("summary").click(timeout=SLOW)
    await entry.locator("a[href*='/events/']").click()
    await expect(page).to_have_url(re.compile("/events/"))
    await expect(page.get_by_text('"zoe"').first).to_be_visible(timeout=SLOW)
    await complete(other)


async def test_a_row_that_breaks_a_rule_is_found_on_the_page_of_its_feed(
    page: Page, site: Site
) -> None:
    await trigger(page, site, customer="ada", item="gold", pieces="1", cents_each="450000")
    await expect(page.get_by_text("adds up, difference 0")).to_be_visible(timeout=SLOW)
    await page.goto(console_path(site, "quality?event=order.checked"))
    row = page.get_by_role("row").filter(has=page.get_by_role("button", name="dear"))
    await expect(row).to_contain_text("warned", timeout=SLOW)
    await expect(row).to_contain_text("cents_each is in its range")
    await expect(page.get_by_role("table").filter(has_text='"item":"gold"')).to_be_visible()
    await expect(page.get_by_role("row").filter(has_text="450 000").first).to_be_visible()


async def test_the_console_works_below_a_path(chromium: Browser, site: Site) -> None:
    console, _, token = site.link.partition("login?")
    async with below_a_path(console) as address:
        context = await desk(chromium)
        page = await context.new_page()
        faults = watch_faults(page)
        await page.goto(f"{address}login?{token}")
        await expect(page.get_by_role("heading", name="shop", level=1)).to_be_visible(timeout=SLOW)
        await page.get_by_role("link", name="Schedules").first.click()
        await expect(page).to_have_url(f"{address}schedules")
        await page.reload()
        await expect(page.get_by_role("heading", name="Schedules", level=1)).to_be_visible()
        await context.close()
    assert faults == []
