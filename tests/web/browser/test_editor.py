"""Is a topology changed in the browser as people expect: checked, refused, allowed, undone?"""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from farandole.router.topology_store import current_version
from tests.web.browser.conftest import Site

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="package")]

PATIENCE = 180_000  # milliseconds


async def open_editor(page: Page, site: Site) -> None:
    await page.goto(f"{site.link.partition('login')[0]}pipelines/shop/editor")
    await expect(page.get_by_text("no error")).to_be_visible(timeout=PATIENCE)


async def test_a_change_is_refused_as_dangerous_then_allowed_and_rolled_back(
    page: Page, site: Site
) -> None:
    file = site.folder / "topology.yaml"
    original = file.read_text()
    before = await current_version(site.settings, "shop")
    assert before is not None
    await open_editor(page, site)
    text = page.get_by_label("topology.yaml", exact=True)

    # A mistake is found as one types, and F8 leads to it.
    await text.click()
    await page.keyboard.press("Control+End")
    await page.keyboard.type("expect: {complete_withn: 1m}")
    await expect(page.get_by_text("1 error")).to_be_visible(timeout=PATIENCE)
    await page.keyboard.press("Control+Home")
    await page.keyboard.press("F8")
    await expect(page.get_by_text(re.compile(r"complete_withn"), exact=False).first).to_be_visible()
    await page.get_by_role("button", name="Discard draft").click()
    await expect(page.get_by_text("no error")).to_be_visible(timeout=PATIENCE)

    # Other partitions of an event with a key: its events change their place.
    await text.click()
    await page.keyboard.press("Control+f")
    await page.get_by_role("textbox", name="Find").fill("key: customer,")
    await page.get_by_role("textbox", name="Replace").fill("key: customer, partitions: 7,")
    await page.get_by_role("button", name="replace", exact=True).click()
    await page.get_by_role("button", name="replace", exact=True).click()
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("no error")).to_be_visible(timeout=PATIENCE)
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("dangerous: keys")).to_be_visible(timeout=PATIENCE)

    # What is dangerous must be typed, and nothing was written before.
    apply = page.get_by_role("button", name=f"Apply as shop@{before.version + 1}")
    await expect(apply).to_have_attribute("aria-disabled", "true")
    assert file.read_text() == original
    await page.get_by_label(re.compile("To allow it, type")).fill("order.checked")
    await apply.click()
    await expect(page.get_by_role("status").get_by_text("is in force")).to_be_visible(
        timeout=PATIENCE
    )
    assert "key: customer, partitions: 7," in file.read_text()
    now = await current_version(site.settings, "shop")
    assert now is not None
    assert now.events["order.checked"].partitions == 7

    # Back again, by the same rules.
    await page.get_by_role("button", name="Roll back").click()
    await expect(page.get_by_text("dangerous: keys")).to_be_visible(timeout=PATIENCE)
    await page.get_by_label(re.compile("To allow it, type")).fill("order.checked")
    await page.get_by_role("button", name=f"Roll back to @{before.version}").click()
    await expect(page.get_by_text("the file says something else")).to_be_visible(timeout=PATIENCE)
    await expect(page.get_by_text(f"a rollback to @{before.version}")).to_be_visible()
    file.write_text(original)  # as in force: the journeys that follow begin with no difference
