"""Does somebody without a mouse trigger, find and mend?"""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.web.browser.conftest import Site
from tests.web.browser.keyboard import WAIT, go_to, press, tab_to, write
from tests.web.browser.test_letter_journeys import die

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="package")]

NO_PIECES = "an order of"
"""What tells the incident of a test from one of rows that wait: numbers are left out of it."""


async def test_a_run_is_triggered_and_found_in_the_list(page: Page, site: Site) -> None:
    await go_to(page, "Runs")
    await press(page, page.get_by_role("link", name=re.compile("^Trigger")).first)
    for name, value in {"customer": "kay", "item": "tea", "pieces": "2", "cents_each": "9"}.items():
        await write(page, page.get_by_label(name, exact=True), value)
    await press(page, page.get_by_role("button", name=re.compile("^Trigger 1 run")))
    await expect(page).to_have_url(re.compile(r"/runs/\w{13}"), timeout=WAIT)
    run = page.url.rsplit("/", 1)[1]
    await go_to(page, "Runs")
    row = page.get_by_role("row").filter(has_text=run)
    await expect(row).to_be_visible(timeout=WAIT)
    for _ in range(100):
        if await row.evaluate("each => each.contains(document.activeElement)"):
            break
        await page.keyboard.press("j")
    else:
        raise AssertionError("`j` never comes to the run")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(re.compile(f"/runs/{run}"))
    await expect(page.get_by_text("adds up, difference 0")).to_be_visible(timeout=WAIT)


async def test_a_letter_is_mended_and_replayed(page: Page, site: Site) -> None:
    run = await die(site)
    await go_to(page, run)
    await press(page, page.get_by_role("link", name=re.compile("dead letter")).first)
    letter = page.get_by_role("article")
    await write(page, letter.get_by_label("pieces"), "3")
    await press(page, letter.get_by_role("button", name="Replay 1 letter"))
    await expect(letter.get_by_text("replayed, handled")).to_be_visible(timeout=WAIT)


async def test_an_incident_is_acknowledged_with_a_note_that_others_see(
    page: Page, site: Site
) -> None:
    await die(site)
    await go_to(page, "Incidents")
    needing = page.get_by_role("list", name="Need somebody")
    await press(page, needing.get_by_role("button").filter(has_text=NO_PIECES).first)
    one = page.get_by_role("article").filter(has_text=NO_PIECES)
    await write(page, one.get_by_label("Note"), "the till is repaired")
    await press(page, one.get_by_role("button", name="Acknowledge"))
    in_hand = page.get_by_role("list", name="In hand")
    await expect(in_hand).to_contain_text("the till is repaired", timeout=WAIT)
    await expect(one.locator(".timeline")).to_contain_text("acknowledged", timeout=WAIT)


async def test_a_change_of_the_topology_is_planned_and_applied(page: Page, site: Site) -> None:
    await go_to(page, "Editor")
    await expect(page.get_by_text("no error")).to_be_visible(timeout=WAIT)
    await tab_to(page, page.get_by_label("topology.yaml", exact=True))
    await page.keyboard.press("Control+End")
    await page.keyboard.type("defaults: {timeout: 20s}")
    await page.keyboard.press("Control+Enter")
    apply = page.get_by_role("button", name=re.compile("^Apply as shop@"))
    await expect(apply).to_be_visible(timeout=WAIT)
    await page.keyboard.press("Escape")  # then Tab leaves the text
    await press(page, apply)
    await expect(page.get_by_role("status").get_by_text("is in force")).to_be_visible(timeout=WAIT)
    assert "defaults: {timeout: 20s}" in (site.folder / "topology.yaml").read_text()
