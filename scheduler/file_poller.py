"""What is in the folders for which schedules wait, as fsspec sees it?

Each look runs in a thread, because most file systems of fsspec block. A store that is slow or dead
takes a few threads of its own, and delays nothing but its own folders: not the lane, no other
store, and not the end of the process.

Credentials are what fsspec's packages find in their environment and in `~/.config/fsspec`; nothing
here sees or logs them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

import structlog

from farandole.broker.backoff import is_logged
from farandole.events.number_format import grouped
from farandole.scheduler.facts import FolderLook, SeenFile
from farandole.scheduler.file_arrivals import MAX_FILES
from farandole.scheduler.file_listing import file_name, says_nothing, seen_file, with_settled
from farandole.scheduler.file_location import (
    WHOLE_OBJECT_PROTOCOLS,
    FileLocation,
    location_problem,
    parse_location,
    shown_url,
)

log = structlog.get_logger()

T = TypeVar("T")

LOOK_SECONDS = 60.0
"""How long a look may take."""
RETRY_SECONDS = 10.0  # at most, until the next look after one that failed
CLOCK_SECONDS = 0.2  # until the next look if the broker's time is not known
MAX_LOOKS = 4
"""How many looks at one store are under way at once, and how many may hang for ever."""
MAX_STARTING = 32  # looks of all stores that are under way and have begun just now
STARTING_SECONDS = 1.0
MAX_ASKED = 1_000
"""Of how many files, at most, a store is asked one by one what its listing does not tell."""
_ERROR_LENGTH = 300


class _LookError(Exception):
    """A folder cannot be seen; the message says why, and what to do."""


@dataclass
class _Store:
    """A bucket, a host or a local folder."""

    idle: list[Any] = field(default_factory=list)
    """File systems that no look uses now: not every one may be used by two threads."""
    hanging: int = 0
    """The number of looks that have not answered in time, and still run."""
    looks: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_LOOKS))


class FilePoller:
    """`farandole.scheduler.facts.FileFacts` by fsspec."""

    def __init__(
        self,
        folder: Path,
        now: Callable[[], datetime | None],
        *,
        deadline: float = LOOK_SECONDS,
    ) -> None:
        """To be made where the event loop runs. Local paths are relative to `folder`. `now` returns
        the broker's time, or None if it is not known. `deadline` is how many seconds a look may
        take."""
        self._folder = folder
        self._now = now
        self._deadline = deadline
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._every: dict[str, float] = {}
        self._looks: dict[str, FolderLook] = {}
        self._reported: dict[str, Sequence[SeenFile] | str] = {}
        self._stores: dict[str, _Store] = {}
        self._starting = asyncio.Semaphore(MAX_STARTING)
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            await self._failed
        finally:
            self.watch({})

    def watch(self, urls: Mapping[str, float]) -> None:
        """Look at these URLs (`FileFacts.watch`); what they have is told again."""
        self._every = dict(urls)
        self._looks.clear()
        self._reported.clear()
        for url in self._watches.keys() - urls.keys():
            self._watches.pop(url).cancel()
        for url in urls.keys() - self._watches.keys():
            task = asyncio.get_running_loop().create_task(self._watch(url))
            task.add_done_callback(self._note_end)
            self._watches[url] = task

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not self._failed.done():
            self._failed.set_exception(task.exception() or RuntimeError("nobody looks any more"))

    def take(self) -> Mapping[str, FolderLook]:
        """Return what is new since the last call (`FileFacts.take`)."""
        looks, self._looks = self._looks, {}
        return looks

    @property
    def has_some(self) -> bool:
        """True if `take` would return some (`FileFacts.has_some`)."""
        return bool(self._looks)

    async def _watch(self, url: str) -> None:
        """Look at a URL until cancelled."""
        location = self._locate(url)
        before: Mapping[str, str] = {}
        failures = 0  # in a row
        while True:
            at = self._now()
            if at is None:
                await asyncio.sleep(CLOCK_SECONDS)
                continue
            try:
                problem = location_problem(url)
                if problem is not None:
                    raise _LookError(f"{shown_url(problem.message)}; {problem.remedy}")
                found = await self._look(location)
            except _LookError as error:
                failures += 1
                why = f"{shown_url(url)}: {error}"
                if is_logged(failures):
                    log.warning("folder.unread", why=why)
                if failures > 1:  # the first may be a short break
                    self._report(url, why, FolderLook(at, problem=why))
                await asyncio.sleep(min(self._every[url], RETRY_SECONDS))
                continue
            failures = 0
            are_whole = location.protocol in WHOLE_OBJECT_PROTOCOLS
            files = with_settled(found, before, are_whole=are_whole)
            before = {file.url: file.identity for file in files}
            self._report(url, files, FolderLook(at, files))
            await asyncio.sleep(self._every[url])

    def _report(self, url: str, what: Sequence[SeenFile] | str, look: FolderLook) -> None:
        """Let `take` return a look, unless it shows what the last one has shown."""
        if self._reported.get(url) != what:
            self._reported[url] = what
            self._looks[url] = look

    def _locate(self, url: str) -> FileLocation:
        location = parse_location(url)
        if "://" in url:
            return location
        return location._replace(folder=str(self._folder.resolve() / location.folder))

    async def _look(self, location: FileLocation) -> list[SeenFile]:
        """Return the files that are there. Raises _LookError."""
        store = self._stores.setdefault(location.store, _Store())
        async with store.looks:
            if store.hanging >= MAX_LOOKS:
                raise _LookError(
                    f"{store.hanging} looks have had no answer and still wait for one; check the"
                    " store, and if it answers others, restart the scheduler"
                )
            await self._starting.acquire()
            look = _start_thread(lambda: _list_files(store.idle, location))
            _release_soon(self._starting, look)
            try:
                return await asyncio.wait_for(asyncio.shield(look), self._deadline)
            except TimeoutError:
                store.hanging += 1
                look.add_done_callback(lambda _: _note_late_answer(store))
                raise _LookError(
                    f"there was no answer within {self._deadline:g} s; check the store and the"
                    " network"
                ) from None
            except FileNotFoundError:
                return []  # it does not exist yet
            except _LookError:
                raise
            except Exception as error:  # noqa: BLE001 -- each file system raises its own
                raise _LookError(_error_text(location, error)) from None


def _note_late_answer(store: _Store) -> None:
    store.hanging -= 1


def _start_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Call a function in a thread for which the process does not wait when it ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    # Nobody may wait for it any more.
    future.add_done_callback(lambda done: None if done.cancelled() else done.exception())

    def settle(set_outcome: Callable[[Any], None], outcome: Any) -> None:
        if not future.done():
            set_outcome(outcome)

    def call() -> None:
        try:
            answer: tuple[Callable[[Any], None], Any] = future.set_result, function()
        except Exception as error:  # noqa: BLE001 -- handed on
            answer = future.set_exception, error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, *answer)

    Thread(target=call, name="look-at-files", daemon=True).start()
    return future


def _release_soon(slots: asyncio.Semaphore, look: asyncio.Future[Any]) -> None:
    """Release a slot once the look has ended, and after a second at the latest."""
    held = [slots]

    def release(*_: object) -> None:
        if held:
            held.pop().release()

    look.add_done_callback(release)
    asyncio.get_running_loop().call_later(STARTING_SECONDS, release)


def _list_files(idle: list[Any], location: FileLocation) -> list[SeenFile]:
    """Return the files of a location that are there. Blocks; raises what fsspec raises, and
    _LookError if there are too many. A file system that has worked is left in `idle`."""
    from fsspec.core import strip_protocol, url_to_fs

    folder = location.url_of("")
    try:
        filesystem = idle.pop()
    except IndexError:
        filesystem, _ = url_to_fs(folder, skip_instance_cache=True, use_listings_cache=False)
    filesystem.invalidate_cache()
    if location.is_pattern:
        infos = filesystem.ls(strip_protocol(folder), detail=True)
        found = {name: info for info in infos if location.has(name := file_name(info))}
    else:
        info = filesystem.info(strip_protocol(location.url_of(location.name)))
        found = {location.name: info} if file_name(info) else {}
    if len(found) > MAX_FILES:
        raise _LookError(
            f"there are {grouped(len(found))} files, and no more than {grouped(MAX_FILES)} are"
            " looked at; move those that are done elsewhere"
        )
    files = [seen_file(location.url_of(name), info) for name, info in found.items()]
    unknown = [place for place, file in enumerate(files) if says_nothing(file)]
    for place in unknown[:MAX_ASKED]:
        url = files[place].url
        files[place] = seen_file(url, filesystem.info(strip_protocol(url)))
    idle.append(filesystem)
    return files


def _error_text(location: FileLocation, error: Exception) -> str:
    """Return why a folder cannot be seen, and what to do."""
    text = shown_url(f"{error}".strip() or type(error).__name__)[:_ERROR_LENGTH]
    if isinstance(error, ImportError):
        return (
            f"reading {location.protocol}:// needs a package that is not installed where the"
            f" scheduler runs: {text}"
        )
    if isinstance(error, ValueError) and "not known" in text:
        return f"fsspec knows no protocol {location.protocol}://; correct `file:`"
    if isinstance(error, PermissionError) or "redential" in type(error).__name__:
        return (
            f"it may not be read: {text}; give the scheduler's process the right, or credentials"
            " in its environment or ~/.config/fsspec"
        )
    return f"it cannot be read: {type(error).__name__}: {text}"
