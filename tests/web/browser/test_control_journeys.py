"""Can somebody hold, throttle and switch a stage, and fire a schedule, in a browser?"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from urllib.parse import urljoin

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from farandole.broker.settings import Settings
from tests.cli.worked import STAGES
from tests.conftest import private_namespace
from tests.ledger.test_bookkeeper_live import bookkeeper
from tests.rewiring.edits import PLAIN, text
from tests.rewiring.test_live import at_work, put
from tests.scheduler.test_scheduler_live import Clock, scheduler
from tests.web.api import TOKEN, running_console
from tests.web.browser.chromium import desk, watch_faults
from tests.web.browser.keyboard import press, write

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="package"),
]

PATIENCE = 180_000  # ms
FILE = (
    text(PLAIN)
    + """\
schedules:
  yearly: {cron: "0 0 1 1 *", triggers: asked, data: {n: 1, household: 3}}
"""
)
REFUSED = re.compile("status of (400|422)")
"""What Chromium says of an answer that the page shows."""


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def link(
    kafka: Settings, delete_topics: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """What lets a browser into the console of a pipeline that is worked."""
    settings, folder = private_namespace(kafka), tmp_path_factory.mktemp("journeys")
    (folder / "stages").symlink_to(STAGES)
    await put(settings, folder, FILE)
    with bookkeeper(settings):
        async with (
            at_work(settings, folder, 1),
            scheduler(settings, Clock()),
            running_console(settings, folder) as api,
        ):
            yield f"{api.url}login?token={TOKEN}"
    delete_topics(settings.names.prefix)


@pytest_asyncio.fixture(loop_scope="package")
async def page(chromium: Browser, link: str) -> AsyncIterator[Page]:
    """A page of somebody who may act. Whatever goes wrong in it fails the test."""
    context = await desk(chromium)
    page = await context.new_page()
    faults = watch_faults(page)
    await page.goto(link)
    yield page
    await context.close()
    assert [each for each in faults if not REFUSED.search(each)] == []


async def test_a_stage_is_held_and_released_by_keyboard_alone(page: Page) -> None:
    await page.goto(urljoin(page.url, "/control"))
    opener = page.get_by_role("button", name="Switch…").first
    await expect(opener).to_have_attribute("aria-disabled", "false", timeout=PATIENCE)
    await press(page, opener)
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Stage").select_option("give")
    await dialog.get_by_label("Why").fill("disk full")
    await dialog.get_by_label("Why").press("Enter")
    row = page.get_by_role("table", name="In force").get_by_role("row").filter(has_text="give")
    await expect(row).to_contain_text("on hold", timeout=PATIENCE)
    # The row may come before the answer: the dialog is still there then, and keeps the focus.
    await expect(dialog).to_have_count(0, timeout=PATIENCE)
    await expect(opener).to_be_focused(timeout=PATIENCE)
    await press(page, row.get_by_role("button", name="Release…"))
    await press(page, page.get_by_role("button", name="Release give"))
    await expect(row).to_have_count(0, timeout=PATIENCE)


async def test_a_rate_that_is_none_is_refused_in_the_dialog_and_a_good_one_is_in_force(
    page: Page,
) -> None:
    await page.goto(urljoin(page.url, "/control"))
    await page.get_by_role("button", name="Throttle…").first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Stage").select_option("make")
    await dialog.get_by_label("Rate").fill("fast")
    await dialog.get_by_role("button", name="Throttle make").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("fast", timeout=PATIENCE)
    await dialog.get_by_label("Rate").fill("500/s")
    await dialog.get_by_role("button", name="Throttle make").click()
    row = page.get_by_role("table", name="In force").get_by_role("row").filter(has_text="make")
    await expect(row).to_contain_text("500/s", timeout=PATIENCE)
    await row.get_by_role("button", name="End…").click()
    await page.get_by_role("button", name="End throttle").click()
    await expect(row).to_have_count(0, timeout=PATIENCE)


async def test_a_schedule_is_fired_by_keyboard_and_its_run_stands_in_the_history(
    page: Page,
) -> None:
    await page.goto(urljoin(page.url, "/schedules"))
    await expect(page.get_by_role("heading", name="yearly")).to_be_visible(timeout=PATIENCE)
    await press(page, page.get_by_role("button", name="Fire now…"))
    dialog = page.get_by_role("dialog")
    await write(page, dialog.get_by_label("Why"), "try it")
    await press(page, dialog.get_by_role("button", name="Fire now"))
    history = page.get_by_role("table", name="History of yearly")
    await expect(history.locator("a.id")).to_have_count(1, timeout=PATIENCE)
    await press(page, history.locator("a.id"))
    await expect(page).to_have_url(re.compile("/runs/[a-z2-7]{10,}"))
