"""What does fsspec tell of a file, and is it the same as at the last look?

Each file system of fsspec names things in its own way. What identifies the content of a file is its
ETag or, where there is none, its time and size. (Not its inode: some mounts number their files anew
after each restart, and every file would seem to have changed.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from farandole.scheduler.facts import SeenFile

FileInfo = Mapping[str, object]
"""What fsspec's `info`, or `ls` with `detail`, says of a file."""

_ETAG_KEYS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5", "Content-MD5", "checksum")
_TIME_KEYS = (
    "LastModified", "mtime", "last_modified", "updated", "modified", "Last-Modified", "modify",
    "created",
)  # fmt: skip
_FOLDER_TYPES = ("directory", "dir")


def file_name(info: FileInfo) -> str:
    """Return the last part of the file's name; empty for a folder, and for what marks one in an
    object store."""
    name = str(info.get("name", ""))
    if info.get("type") in _FOLDER_TYPES or name.endswith("/"):
        return ""
    return name.rpartition("/")[2]


def seen_file(url: str, info: FileInfo) -> SeenFile:
    """Return what is to be known of a file."""
    etag = _text(_first(info, _ETAG_KEYS)).strip('"')
    written = _first(info, _TIME_KEYS)
    size = info.get("size")
    size = size if isinstance(size, int) else None
    modified = _time(written)
    time = modified.isoformat() if modified is not None else _text(written)
    return SeenFile(url, etag or f"{time}/{'' if size is None else size}", size, modified, etag)


def says_nothing(file: SeenFile) -> bool:
    """Return True if another content would look the same: the listing has neither ETag, time nor
    size."""
    return file.identity == "/"


def with_settled(
    files: Iterable[SeenFile], before: Mapping[str, str], *, are_whole: bool
) -> list[SeenFile]:
    """Return the files, with those marked as not settled that had another identity at the look
    before, or none. `before`: the identities by URL. `are_whole`: an object with an ETag is there
    only once it is whole."""
    return [
        file._replace(
            is_settled=(are_whole and bool(file.etag)) or before.get(file.url) == file.identity
        )
        for file in files
    ]


def _first(info: FileInfo, keys: Iterable[str]) -> object:
    return next((info[key] for key in keys if info.get(key) not in (None, "")), None)


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _time(value: object) -> datetime | None:
    """Return a time as file systems write it; None if it is none."""
    try:
        if isinstance(value, datetime):
            time = value
        elif isinstance(value, int | float):
            time = datetime.fromtimestamp(value, UTC)
        elif isinstance(value, str):
            time = _parsed(value)
        else:
            return None
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _parsed(text: str) -> datetime:
    """Return the time in a text: ISO 8601, as FTP writes it, or as HTTP does. Raises ValueError or
    TypeError."""
    if text.isdecimal():
        return datetime.strptime(text, "%Y%m%d%H%M%S")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return parsedate_to_datetime(text)
