"""Are files seen where they are, and does a store that is dead hold up nothing else?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import fsspec
import pytest
from aiohttp import web
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import known_implementations, register_implementation

from farandole.scheduler import file_poller
from farandole.scheduler.facts import FolderLook
from farandole.scheduler.file_poller import FilePoller

DEADLINE = 180.0  # seconds; of the tests
SOON = 0.01  # seconds between two looks


@asynccontextmanager
async def polling(
    folder: Path, *urls: str, answers_within: float = DEADLINE
) -> AsyncIterator[FilePoller]:
    poller = FilePoller(folder, lambda: datetime.now(UTC), deadline=answers_within)
    running = asyncio.create_task(poller.run())
    poller.watch(dict.fromkeys(urls, SOON))
    try:
        async with asyncio.timeout(DEADLINE):
            yield poller
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def look(
    poller: FilePoller, url: str, is_wanted: Callable[[FolderLook], bool] = lambda _: True
) -> FolderLook:
    """Return the first look at a URL that is wanted."""
    while True:
        found = poller.take().get(url)
        if found is not None and is_wanted(found):
            return found
        await asyncio.sleep(SOON)


def settled(found: FolderLook) -> list[str]:
    return [file.url for file in found.files if file.is_settled]


def has_settled(found: FolderLook) -> bool:
    return bool(found.files) and len(settled(found)) == len(found.files)


@asynccontextmanager
async def serving(
    routes: Mapping[str, Callable[[web.Request], Awaitable[web.Response]]],
) -> AsyncIterator[str]:
    app = web.Application()
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class StuckFileSystem(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
    """A store that gives no answer until `released` is set."""

    protocol = ("stuck",)
    released = Event()

    def ls(self, *_: object, **__: object) -> list[dict[str, object]]:
        self.released.wait(DEADLINE)
        return []


class LockedFileSystem(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
    """A store that refuses, and tells everybody the password."""

    protocol = ("locked",)

    def ls(self, *_: object, **__: object) -> list[dict[str, object]]:
        raise PermissionError("https://me:secret@host/in?X-Amz-Signature=secret: 403")


@pytest.fixture
def stores() -> Iterator[None]:
    for store in (StuckFileSystem, LockedFileSystem):
        register_implementation(store.protocol[0], store, clobber=True)
    StuckFileSystem.released.clear()
    yield
    StuckFileSystem.released.set()


async def test_a_local_file_settles_once_two_looks_have_shown_the_same(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    async with polling(tmp_path, "in/*.csv") as poller:
        await look(poller, "in/*.csv")
        (tmp_path / "in" / "day.csv").write_text("1")
        found = await look(poller, "in/*.csv", lambda each: bool(each.files))
        while not has_settled(found):
            found = await look(poller, "in/*.csv")
    assert settled(found) == [str(tmp_path / "in" / "day.csv")]


async def test_a_folder_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    async with polling(tmp_path, "in/*.csv") as poller:
        found = await look(poller, "in/*.csv")
        assert (found.files, found.problem) == ([], "")
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "day.csv").write_text("1")
        await look(poller, "in/*.csv", has_settled)


async def test_what_was_seen_is_told_again_to_who_asks_anew(tmp_path: Path) -> None:
    (tmp_path / "day.csv").write_text("1")
    async with polling(tmp_path, "day.csv") as poller:
        await look(poller, "day.csv", has_settled)
        poller.watch({"day.csv": SOON})
        await look(poller, "day.csv", has_settled)


async def test_nobody_looks_at_what_is_no_longer_asked_for(tmp_path: Path) -> None:
    async with polling(tmp_path, "a.csv", "b.csv") as poller:
        poller.watch({"b.csv": SOON})
        (tmp_path / "a.csv").write_text("1")
        (tmp_path / "b.csv").write_text("1")
        await look(poller, "b.csv", has_settled)
        assert not poller.has_some


async def test_a_file_system_of_fsspec_is_read_by_its_protocol(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/poller/in/a.csv", b"1")
    fsspec.filesystem("memory").pipe("/poller/in/a.txt", b"1")
    url = "memory://poller/in/*.csv"
    async with polling(tmp_path, url) as poller:
        found = await look(poller, url, has_settled)
    assert settled(found) == ["memory://poller/in/a.csv"]


async def test_an_object_of_a_web_server_has_another_identity_with_another_etag(
    tmp_path: Path,
) -> None:
    etag = "one"

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="1", headers={"ETag": f'"{etag}"'})

    async with serving({"/day.csv": answer}) as server:
        url = f"{server}/day.csv"
        async with polling(tmp_path, url) as poller:
            before = await look(poller, url, has_settled)
            etag = "two"
            after = await look(
                poller, url, lambda each: has_settled(each) and each.files[0].etag == "two"
            )
    assert before.files[0].identity == "one"
    assert after.files[0].identity == "two"


async def test_a_web_server_is_asked_for_what_its_page_does_not_tell(tmp_path: Path) -> None:
    async def index(_: web.Request) -> web.Response:
        return web.Response(text='<a href="a.csv">a</a>', content_type="text/html")

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="1", headers={"ETag": '"one"'})

    async with serving({"/in/": index, "/in/a.csv": answer}) as server:
        url = f"{server}/in/*.csv"
        async with polling(tmp_path, url) as poller:
            found = await look(poller, url, has_settled)
    assert [(file.url, file.etag) for file in found.files] == [(f"{server}/in/a.csv", "one")]


async def test_a_page_that_is_not_there_is_no_file(tmp_path: Path) -> None:
    async with serving({}) as server:
        url = f"{server}/day.csv"
        async with polling(tmp_path, url) as poller:
            found = await look(poller, url)
    assert (found.files, found.problem) == ([], "")


@pytest.mark.usefixtures("stores")
async def test_a_store_that_does_not_answer_holds_up_no_other(tmp_path: Path) -> None:
    stuck = [f"stuck://host/{number}/*" for number in range(20)]
    (tmp_path / "day.csv").write_text("1")
    async with polling(tmp_path, *stuck, "day.csv") as poller:
        await look(poller, "day.csv", has_settled)


@pytest.mark.usefixtures("stores")
async def test_a_store_that_does_not_answer_is_told_of_and_recovers(tmp_path: Path) -> None:
    url = "stuck://host/in/*"
    async with polling(tmp_path, url, answers_within=SOON) as poller:
        found = await look(poller, url)
        assert found.problem == (
            "stuck://host/in/*: there was no answer within 0.01 s; check the store and the network"
        )
        await look(poller, url, lambda each: "still wait" in each.problem)
        StuckFileSystem.released.set()
        assert not (await look(poller, url, lambda each: not each.problem)).files


async def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = {"class": "nowhere_fs.Nowhere", "err": "Install nowhere_fs to access Nowhere"}
    monkeypatch.setitem(known_implementations, "nowhere", missing)
    url = "nowhere://bucket/in/*.csv"
    async with polling(tmp_path, url) as poller:
        found = await look(poller, url)
    assert found.problem == (
        "nowhere://bucket/in/*.csv: reading nowhere:// needs a package that is not installed where"
        " the scheduler runs: Install nowhere_fs to access Nowhere"
    )


async def test_a_protocol_that_nobody_knows_is_named(tmp_path: Path) -> None:
    async with polling(tmp_path, "s4://bucket/in/*.csv") as poller:
        found = await look(poller, "s4://bucket/in/*.csv")
    assert "fsspec knows no protocol s4://" in found.problem


@pytest.mark.usefixtures("stores")
async def test_no_secret_is_told(tmp_path: Path) -> None:
    async with polling(tmp_path, "locked://host/in/*") as poller:
        found = await look(poller, "locked://host/in/*")
    assert "it may not be read" in found.problem
    assert "secret" not in found.problem


async def test_a_folder_with_too_many_files_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_poller, "MAX_FILES", 1)
    for name in "ab":
        (tmp_path / name).write_text("1")
    async with polling(tmp_path, "*") as poller:
        found = await look(poller, "*")
    assert "there are 2 files, and no more than 1 are looked at" in found.problem
