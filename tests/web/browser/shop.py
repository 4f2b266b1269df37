"""What people do with the pipeline that `init` makes."""

from __future__ import annotations

import re

from playwright.async_api import Page, expect

from tests.web.browser.conftest import Site, console_path

SLOW = 120_000  # ms, for what runs through Kafka


async def trigger(page: Page, site: Site, **fields: str) -> None:
    """Trigger a run by the form, and wait for its page."""
    await page.goto(console_path(site, "trigger?pipeline=shop"))
    for name, value in fields.items():
        await page.get_by_label(name, exact=True).fill(value)
    await page.get_by_role("button", name=re.compile("^Trigger")).last.click()
    await expect(page).to_have_url(re.compile(r"/runs/\w{13}"), timeout=SLOW)


async def complete(page: Page) -> None:
    """Wait until the run of a page is over. The pages about the data of an event type show the run
    that ended last: one that a test has left open would be that."""
    await expect(page.get_by_text("completed", exact=True)).to_be_visible(timeout=SLOW)
