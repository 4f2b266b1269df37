"""Which files are new at a look at a folder, and which were seen before?

Each content of a file counts once: a file is new if it was not there before, or has another
identity (`scheduler/file_listing.py`) now. What was seen stands in `farandole.schedules`, a row for
each file, so it counts once whatever is restarted.

A file that is gone stays known for `GONE`. So nothing counts again when a mount is away for a while
and all of its files with it. A file that was gone and is there again is new only if it was written
again.

A look takes no more new files than there is room for. The others are still there at the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import NamedTuple

import xxhash
from pydantic import ValidationError

from farandole.events.record_time import EPOCH, RowTime
from farandole.events.row_format import check_json_format
from farandole.events.row_model import RowModel
from farandole.events.schedule_row import OBJECT_PREFIX, Arrival
from farandole.scheduler.facts import FolderLook, SeenFile

FOLDER_PREFIX = b"folder/"
GONE = timedelta(days=7)
MAX_GONE = 10_000
"""How many files of a dependency are known that are gone."""
MAX_FILES = 50_000
"""How many files a dependency may have, so that memory is bounded."""
MAX_NOTED = 1_000
"""How many files are noted in one transaction as gone, as there again, and as there before the
schedule."""


class FolderName(NamedTuple):
    """A dependency on files."""

    pipeline: str
    schedule: str
    file: str
    """`DependencySpec.file`."""


class _Row(RowModel):
    pipeline: str
    schedule: str
    file: str


class FileRow(_Row):
    """A file that was seen; the row of the key `object/PIPELINE/SCHEDULE/HASH`."""

    url: str
    identity: str
    modified: RowTime | None = None
    gone: RowTime | None = None


class FolderRow(_Row):
    """Files that were there before the schedule have been noted; the row of the key
    `folder/PIPELINE/SCHEDULE/HASH`."""

    at: RowTime


class KnownFile(NamedTuple):
    """A file that was seen. A tuple, because there may be many."""

    identity: str
    modified: datetime | None = None
    gone: datetime | None = None
    """Since when it is no longer there; None if it is."""


class KnownFiles(NamedTuple):
    """What was seen of a dependency."""

    files: Mapping[str, KnownFile]
    """By URL."""
    has_begun: bool = False
    """The files that were there before the schedule have been noted, if they do not count."""


class FileArrivals(NamedTuple):
    """What a look means for a schedule."""

    arrivals: Sequence[Arrival]
    known: KnownFiles
    rows: Mapping[bytes, bytes | None]
    """What is to be written of what is known; None deletes a row."""
    is_done: bool
    """False if the look has more that is new: it is to be folded again."""


NOTHING_KNOWN = KnownFiles({})


def fold_look(
    name: FolderName,
    known: KnownFiles,
    look: FolderLook,
    room: int,
    begins: datetime,
    *,
    existing: bool,
) -> FileArrivals:
    """Return the arrivals of a look, `room` of them at most. The rows are to be written in the
    transaction that keeps the arrivals.

    `existing`: whether files count that were there before `begins`, when the schedule was
    published."""
    if look.problem:
        return FileArrivals((), known, {}, is_done=True)
    files = dict(known.files)
    has_begun = known.has_begun or existing
    changed: set[str] = set()
    arrivals: list[Arrival] = []
    is_done = has_all_before = True
    for file in _new_files(look, known, ignore_settled=not has_begun):
        if not has_begun and file.url not in known.files and _is_older(file, begins):
            if len(changed) >= MAX_NOTED:
                is_done = has_all_before = False
                break
        elif not file.is_settled:
            continue
        elif len(arrivals) >= room:
            is_done = False
            continue
        else:
            arrivals.append(_arrival(file, look.at))
        files[file.url] = KnownFile(file.identity, file.modified)
        changed.add(file.url)
    noted = _note_presence(files, look)
    is_done = is_done and len(noted) < MAX_NOTED
    changed |= noted
    deleted = _forget_gone(files, look.at)
    rows: dict[bytes, bytes | None] = {
        _file_key(name, url): _file_row(name, url, files[url])
        for url in sorted(changed)
        if url in files
    }
    rows |= {_file_key(name, url): None for url in sorted(deleted) if url in known.files}
    if not has_begun and has_all_before:
        has_begun = True
        row = FolderRow(pipeline=name.pipeline, schedule=name.schedule, file=name.file, at=look.at)
        rows[_folder_key(name)] = row.model_dump_json().encode()
    return FileArrivals(arrivals, KnownFiles(files, has_begun), rows, is_done)


def restore_known_files(rows: Mapping[bytes, bytes]) -> dict[FolderName, KnownFiles]:
    """Return what these rows of `farandole.schedules` say was seen. Rows that no scheduler wrote
    are left out. Raises NewerFormatError."""
    files: dict[FolderName, dict[str, KnownFile]] = {}
    begun: set[FolderName] = set()
    for key, value in rows.items():
        if not key.startswith((OBJECT_PREFIX, FOLDER_PREFIX)):
            continue
        check_json_format("schedule row", value)
        try:
            if key.startswith(FOLDER_PREFIX):
                folder = FolderRow.model_validate_json(value)
                begun.add(FolderName(folder.pipeline, folder.schedule, folder.file))
                continue
            row = FileRow.model_validate_json(value)
        except ValidationError:
            continue
        name = FolderName(row.pipeline, row.schedule, row.file)
        files.setdefault(name, {})[row.url] = KnownFile(row.identity, row.modified, row.gone)
    return {
        name: KnownFiles(files.get(name, {}), name in begun) for name in sorted({*files, *begun})
    }


def keys_of(name: FolderName, known: KnownFiles) -> Iterator[bytes]:
    """Yield the keys of all rows of a dependency: they are to be deleted when no schedule waits for
    it any more."""
    yield from (_file_key(name, url) for url in known.files)
    if known.has_begun:
        yield _folder_key(name)


def _new_files(look: FolderLook, known: KnownFiles, *, ignore_settled: bool) -> list[SeenFile]:
    """Return the files that are not known as they are, the oldest first."""
    new = [
        file
        for file in look.files
        if (ignore_settled or file.is_settled) and not _is_known(file, known.files.get(file.url))
    ]
    return sorted(new, key=lambda file: (file.modified or EPOCH, file.url))


def _is_known(file: SeenFile, before: KnownFile | None) -> bool:
    if before is None or before.identity != file.identity:
        return False
    # The same content, written again after it was gone: for example an empty file that marks a day.
    return before.gone is None or before.modified == file.modified


def _is_older(file: SeenFile, begins: datetime) -> bool:
    return file.modified is None or file.modified < begins


def _arrival(file: SeenFile, at: datetime) -> Arrival:
    detail = {
        "etag": file.etag,
        "size": "" if file.size is None else str(file.size),
        "modified": "" if file.modified is None else file.modified.isoformat(),
    }
    return Arrival(at=at, cause=file.url, detail={k: v for k, v in detail.items() if v})


def _note_presence(files: dict[str, KnownFile], look: FolderLook) -> set[str]:
    """Note which of the known files are gone and which are there again; return those of which that
    has changed, `MAX_NOTED` at most."""
    present = {file.url: file for file in look.files}
    gone = (url for url, file in files.items() if file.gone is None and url not in present)
    back = (
        url
        for url, file in files.items()
        if file.gone is not None and url in present and _is_known(present[url], file)
    )
    changed = set(islice(chain(gone, back), MAX_NOTED))
    for url in changed:
        files[url] = files[url]._replace(gone=None if url in present else look.at)
    return changed


def _forget_gone(files: dict[str, KnownFile], now: datetime) -> set[str]:
    """Remove the files that are gone for too long, and those beyond `MAX_GONE`, `MAX_NOTED` of them
    at most; return them."""
    gone = sorted((file.gone, url) for url, file in files.items() if file.gone is not None)
    excess = max(len(gone) - MAX_GONE, 0)
    too_old = (
        url for place, (since, url) in enumerate(gone) if place < excess or since < now - GONE
    )
    old = set(islice(too_old, MAX_NOTED))
    for url in old:
        del files[url]
    return old


def _file_row(name: FolderName, url: str, file: KnownFile) -> bytes:
    row = FileRow(
        pipeline=name.pipeline,
        schedule=name.schedule,
        file=name.file,
        url=url,
        identity=file.identity,
        modified=file.modified,
        gone=file.gone,
    )
    return row.model_dump_json(exclude_none=True).encode()


def _file_key(name: FolderName, url: str) -> bytes:
    return _key(OBJECT_PREFIX, name, (name.file, url))


def _folder_key(name: FolderName) -> bytes:
    return _key(FOLDER_PREFIX, name, (name.file,))


def _key(prefix: bytes, name: FolderName, hashed: Iterable[str]) -> bytes:
    digest = xxhash.xxh3_128_hexdigest("\0".join(hashed).encode())
    return prefix + f"{name.pipeline}/{name.schedule}/{digest}".encode()
