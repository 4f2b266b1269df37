"""Can somebody see in a browser why data are unusual, and say that this is normal?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from urllib.parse import urljoin

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from farandole.broker.settings import Settings
from tests.conftest import private_namespace
from tests.web.api import TOKEN, running_console
from tests.web.browser.chromium import desk, watch_faults
from tests.web.browser.keyboard import press, write
from tests.web.browser.test_every_page import findings_in_both_themes
from tests.web.compared_runs import compared_runs

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="package"),
]

PATIENCE = 120_000  # ms, for what a lane has to read first


@pytest_asyncio.fixture(loop_scope="package")
async def page(
    chromium: Browser,
    kafka: Settings,
    delete_topics: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Page]:
    """The page about the data of a pipeline of which a run was unusual."""
    settings, folder = private_namespace(kafka), tmp_path_factory.mktemp("unusual")
    async with compared_runs(settings, folder), running_console(settings, folder) as api:
        context = await desk(chromium)
        page = await context.new_page()
        faults = watch_faults(page)
        await page.goto(f"{api.url}login?token={TOKEN}")
        await page.goto(urljoin(page.url, "/quality"))
        yield page
        await context.close()
        assert faults == []
    delete_topics(settings.names.prefix)


async def test_what_is_unusual_is_explained_and_taken_as_normal_by_keyboard(page: Page) -> None:
    chart = page.get_by_role("img", name="rows of taken in the last 41 runs")
    await expect(chart).to_contain_text("unusual", timeout=PATIENCE)
    await expect(page.get_by_role("link", name="taken/0/17")).to_be_visible()
    assert await findings_in_both_themes(page) == []
    await press(page, page.get_by_role("button", name="This is normal…"))
    dialog = page.get_by_role("dialog")
    await write(page, dialog.get_by_label("Why"), "a sale")
    await press(page, dialog.get_by_role("button", name="Take as normal"))
    await expect(page.get_by_text("normal, says")).to_contain_text("a sale", timeout=PATIENCE)
