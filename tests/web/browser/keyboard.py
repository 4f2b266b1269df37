"""A person who has no mouse."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect

MANY_STOPS = 120
"""More than any page has."""
WAIT = 180_000  # ms


async def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there; fails if it never comes there."""
    await expect(wanted).to_be_visible(timeout=WAIT)
    for _ in range(MANY_STOPS):
        if await wanted.evaluate("each => each === document.activeElement"):
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {wanted}")


async def press(page: Page, button: Locator) -> None:
    """Go to a button or a link by Tab, and press Enter once it may be pressed."""
    await tab_to(page, button)
    await expect(button).not_to_have_attribute("aria-disabled", "true", timeout=WAIT)
    await button.press("Enter")  # a dialog that closes late may have taken the focus meanwhile


async def write(page: Page, field: Locator, text: str) -> None:
    """Go to a field by Tab, and write something else into it."""
    await tab_to(page, field)
    await field.press("Control+A")
    await field.press_sequentially(text)
    await expect(field).to_have_value(text, timeout=WAIT)


async def go_to(page: Page, place: str) -> None:
    """Go to a page by the palette."""
    await expect(page.get_by_role("heading", level=1).first).to_be_visible(timeout=WAIT)
    await page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="A page, run, pipeline, stage or event")
    await expect(field).to_be_focused(timeout=WAIT)
    await field.press_sequentially(place)
    await expect(field).to_have_value(place, timeout=WAIT)
    await field.press("Enter")
    await expect(field).to_have_count(0, timeout=WAIT)
