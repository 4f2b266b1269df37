"""What does the console show? Runs the shipped pipeline and writes docs/console/*.png."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

ROOT = Path(__file__).parents[1]
FOLDER = Path(__file__).parent / "console"
BIN = Path(sys.executable).parent
WEEKS = [4, 5]  # in the fourth the till of one shop forgot to count
DEADLINE = 300.0  # seconds, for the pipeline to start, and for a run
SIZE = {"width": 1440, "height": 900}
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
LINK = re.compile(r"the web console is at (\S+)")


@contextmanager
def pipeline() -> Iterator[tuple[Path, str]]:
    """The shipped pipeline at work in a folder of its own, and the link to its console."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "order-lines"
        folder.mkdir()
        shutil.copy(ROOT / "topology.yaml", folder)
        log = folder / "up.log"
        with log.open("w") as written:
            up = subprocess.Popen(["farandole", "up"], cwd=folder, stdout=written, stderr=written)
        try:
            wait_for(log, "every stage is at work")
            found = LINK.search(log.read_text())
            assert found is not None
            yield folder, found[1]
        finally:
            up.terminate()
            up.wait(DEADLINE)
            subprocess.run(["farandole", "kafka", "stop"], cwd=folder)


def wait_for(log: Path, words: str) -> None:
    until = time.monotonic() + DEADLINE
    while words not in log.read_text():
        if time.monotonic() > until:
            raise TimeoutError(f"{words!r} is not said in {log}")
        time.sleep(0.2)


def farandole(folder: Path, *words: str) -> str:
    return subprocess.run(
        ["farandole", *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


async def draw(page: Page, link: str, path: str, name: str, ready: str) -> None:
    """Write docs/console/NAME.png: a page, once it shows the text `ready`."""
    await page.goto(link.split("/login")[0] + path)
    await expect(page.get_by_text(ready).first).to_be_visible(timeout=60_000)
    await expect(page.locator("main [aria-busy=true]")).to_have_count(0, timeout=60_000)
    await page.wait_for_timeout(1_500)  # fonts, the layout of the graph, a first figure
    await page.screenshot(path=FOLDER / f"{name}.png")
    print(f"docs/console/{name}.png")


async def main() -> None:
    os.environ |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "LOGNAME": "ada"}
    FOLDER.mkdir(exist_ok=True)
    program = next(filter(None, map(shutil.which, CHROMIUM)))
    with pipeline() as (folder, link):
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            page = await browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
            await page.goto(link)
            root = json.dumps({"weeks": WEEKS})
            run = json.loads(
                farandole(folder, "trigger", "feed.requested", "--json", "--data", root)
            )
            await draw(page, link, "/pipelines/order-lines", "graph", "in flight")
            farandole(folder, "run", run["run"], "--watch", "--json")
            await draw(page, link, f"/runs/{run['run']}", "run", "adds up")
            await draw(page, link, "/dead-letters", "dead-letters", "Repair")
            await draw(page, link, "/pipelines/order-lines/editor", "editor", "History")
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
