"""Does somebody decide in a browser what becomes of rows that wait?"""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import Page, expect

from farandole.operations.events.trigger import TriggerRequest, trigger
from farandole.operations.parked.list_parked import ListedRow, ParkedRequest, list_parked
from tests.web.browser.conftest import Site, console_path
from tests.web.browser.keyboard import press, write
from tests.web.browser.test_every_page import PHONE, findings_in_both_themes, fits
from tests.web.browser.test_letter_journeys import HOSTILE, SECONDS, WAIT, of

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.asyncio(loop_scope="package"),
    pytest.mark.timeout(600),
]

LONG = "x" * 1_000
MENDED = {"customer": LONG, "item": "tea", "pieces": 2, "cents_each": 450}


async def park(site: Site, customer: str, item: str = "tea") -> ListedRow:
    """Trigger a run whose order costs nothing, and return its row once it waits."""
    installation = of(site)
    data = {"customer": customer, "item": item, "pieces": 1, "cents_each": 0}
    root = await trigger(installation, TriggerRequest("order.placed", json.dumps(data).encode()))
    async with asyncio.timeout(SECONDS):
        while True:
            for row in (await list_parked(installation, ParkedRequest())).rows:
                if row.run == root.run:
                    return row
            await asyncio.sleep(0.1)


async def test_rows_that_wait_are_mended_released_and_discarded(page: Page, site: Site) -> None:
    strange = await park(site, LONG, HOSTILE)
    good = await park(site, "kim")
    rest = [await park(site, customer) for customer in ("lea", "max")]
    kind = "parked?pipeline=shop&of=price/free"

    # A row with a long key and a hostile text can be read, and is mended.
    await page.goto(console_path(site, f"{kind}&row={strange.position}"))
    row = page.get_by_role("article", name=f"Row {strange.position}")
    await expect(row.get_by_text("\\u202e").first).to_be_visible(timeout=WAIT)
    await expect(row).to_contain_text("free: cents_each is '0', and the least is 1")
    assert await findings_in_both_themes(page) == []
    await fits(page)
    await page.set_viewport_size(PHONE)
    await fits(page)
    await row.get_by_role("button", name="Mend…").click()
    dialog = page.get_by_role("dialog", name="Mend 1 row")
    await dialog.get_by_label("Data as JSON", exact=True).click()
    await page.keyboard.press("Control+A")
    await page.keyboard.insert_text(json.dumps(MENDED))
    deed = dialog.get_by_role("button", name="Mend 1 row")
    await expect(deed).to_have_attribute("aria-disabled", "false", timeout=WAIT)
    assert await findings_in_both_themes(page) == []
    await deed.click()
    await expect(dialog).to_have_count(0, timeout=WAIT)
    await expect(row).to_have_count(0, timeout=WAIT)

    # Another one is released by keyboard.
    await page.goto(console_path(site, f"{kind}&row={good.position}"))
    row = page.get_by_role("article", name=f"Row {good.position}")
    await press(page, row.get_by_role("button", name="Release…"))
    dialog = page.get_by_role("dialog", name="Release 1 row?")
    await press(page, dialog.get_by_role("button", name="Release 1 row"))
    await expect(dialog).to_have_count(0, timeout=WAIT)
    await expect(row).to_have_count(0, timeout=WAIT)

    # All others of the kind are discarded, with a reason.
    await page.goto(console_path(site, kind))
    await press(page, page.get_by_role("button", name="Discard all…"))
    dialog = page.get_by_role("dialog", name=f"Discard {len(rest)} rows?")
    await write(page, dialog.get_by_label("Reason"), "test orders")
    await press(page, dialog.get_by_role("button", name=f"Discard {len(rest)} rows"))
    await expect(page.get_by_text("No row waits for a person")).to_be_visible(timeout=WAIT)
    await page.goto(console_path(site, f"runs/{rest[0].run}"))
    await expect(page.get_by_text("adds up, difference 0")).to_be_visible(timeout=WAIT)
