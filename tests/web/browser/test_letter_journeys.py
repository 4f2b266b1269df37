"""Does somebody find, mend and replay a dead letter, and take an incident over, in a browser?"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import Page, expect

from farandole.operations.dead_letters.letter_queries import LettersRequest, list_letters
from farandole.operations.events.trigger import TriggerRequest, trigger
from farandole.operations.installation import Installation
from farandole.operations.topology_source import TopologySource
from tests.web.browser.conftest import Site, console_path
from tests.web.browser.keyboard import press, write

pytestmark = [pytest.mark.kafka, pytest.mark.asyncio(loop_scope="package")]

SECONDS = 180
WAIT = SECONDS * 1_000  # ms
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.exe"


def of(site: Site) -> Installation:
    topology = TopologySource(site.folder / "topology.yaml", site.folder)
    return Installation(site.settings, site.folder, topology)


async def die(site: Site, **order: Any) -> str:
    """Trigger a run whose order has no pieces, wait until it has died, and return the run."""
    installation = of(site)
    data = {"customer": "ada", "item": "tea", "pieces": 0, "cents_each": 450} | order
    root = await trigger(installation, TriggerRequest("order.placed", json.dumps(data).encode()))
    async with asyncio.timeout(SECONDS):
        while root.run not in [
            letter.run for letter in await list_letters(installation, LettersRequest(limit=500))
        ]:
            await asyncio.sleep(0.1)
    return root.run


async def test_a_letter_is_found_mended_and_replayed_and_its_run_amended(
    page: Page, site: Site
) -> None:
    run = await die(site, item=HOSTILE)
    await page.goto(console_path(site, f"dead-letters?run={run}"))
    letter = page.get_by_role("article")
    await expect(letter).to_contain_text("an order of 0 pieces", timeout=WAIT)
    await expect(letter.get_by_text("\\u202e").first).to_be_visible()
    pieces = letter.get_by_label("pieces")
    await pieces.fill("many")
    await expect(letter.get_by_text("does not fit Order")).to_be_visible(timeout=WAIT)
    refused = letter.get_by_role("button", name="Replay 0 letters")
    await expect(refused).to_have_attribute("aria-disabled", "true", timeout=WAIT)
    await pieces.fill("3")
    await expect(letter.get_by_text("fits Order", exact=True)).to_be_visible(timeout=WAIT)
    deed = letter.get_by_role("button", name="Replay 1 letter")
    await expect(deed).to_have_attribute("aria-disabled", "false", timeout=WAIT)
    await deed.click()
    await expect(letter.get_by_text("once handled")).to_be_visible(timeout=WAIT)
    await expect(letter.get_by_text("replayed, handled")).to_be_visible(timeout=WAIT)
    await letter.get_by_role("link", name=run, exact=True).click()
    await expect(page.get_by_text("amended").first).to_be_visible(timeout=WAIT)


async def test_a_letter_is_discarded_by_keyboard_alone(page: Page, site: Site) -> None:
    run = await die(site)
    await page.goto(console_path(site, f"dead-letters?run={run}"))
    discard = page.get_by_role("button", name="Discard…")
    await expect(discard).to_have_attribute("aria-disabled", "false", timeout=WAIT)
    await press(page, discard)
    await write(page, page.get_by_label("Reason"), "a test order")
    await press(page, page.get_by_role("button", name="Discard 1 letter"))
    letter = page.get_by_role("article")
    await expect(letter.get_by_text("a test order")).to_be_visible(timeout=WAIT)
