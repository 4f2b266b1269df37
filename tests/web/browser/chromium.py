"""The browser that the console is tested with."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


PATIENCE = 180_000  # ms: what is expected comes, sooner or later
REFUSAL = "Failed to load resource: the server responded with a"


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """Run Chromium; without it this fails."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, "the console is tested with Chromium (Debian: apt-get install chromium)"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS])
        try:
            yield browser
        finally:
            await browser.close()


async def desk(browser: Browser) -> BrowserContext:
    """Return a window of a browser in which every step has its time, also on a slow machine."""
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    return context


def watch_faults(page: Page) -> list[str]:
    """Return a list that fills with what goes wrong in a page: exceptions, errors in its console,
    which violations of the content security policy are too. Refusals and what is not there yet
    are answers that a page expects."""
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        expected = message.text.startswith(REFUSAL) and "status of 4" in message.text
        if message.type == "error" and not expected:
            faults.append(message.text)

    page.on("pageerror", lambda error: faults.append(f"exception: {error}"))
    page.on("console", note)
    return faults
