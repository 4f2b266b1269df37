"""What does a backup file look like?

JSON lines, compressed by gzip (`zcat FILE | head`). The first line is the header, the last one
says how many lines stand between, and their digest: a file without it is no whole backup.
"""

from __future__ import annotations

import gzip
import os
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from farandole.events.record import Header

BACKUP_FORMAT = 1
"""The format that this release writes, and the newest that it reads."""


class UnusableBackupError(Exception):
    """The file is no whole backup, or one of a newer release; the message says why."""


class SavedRecord(NamedTuple):
    """A record of one of the topics that a backup holds."""

    topic: str
    """Without the namespace."""
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()


class SavedOffset(NamedTuple):
    """How far a group was in a partition, and the records that are in it."""

    group: str
    """Without the namespace, as the topic."""
    topic: str
    partition: int
    committed: int | None


class SavedPartition(NamedTuple):
    """The end of a partition that is not in the backup, and its last record before the end."""

    topic: str
    partition: int
    end: int
    last: tuple[int, int, str] | None
    """Offset, timestamp and the digest of the value; None if the partition held no record."""


class Backup(NamedTuple):
    """All that a backup file holds."""

    header: dict[str, Any]
    records: list[SavedRecord]
    offsets: list[SavedOffset]
    partitions: list[SavedPartition]


def value_digest(value: bytes | None) -> str:
    """Return what tells two records with the same position apart."""
    return sha256(value or b"").hexdigest()[:16]


def write_backup(file: Path, backup: Backup) -> None:
    """Write the file whole or not at all. Raises OSError."""
    part = file.parent / f".{file.name}.part"
    try:
        _write_part(part, backup)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _write_part(part: Path, backup: Backup) -> None:
    digest, count = sha256(), 0
    with part.open("wb") as raw:
        with gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) as out:
            out.write(orjson.dumps({"farandole_backup": BACKUP_FORMAT, **backup.header}) + b"\n")
            for line in _lines(backup):
                digest.update(line)
                count += 1
                out.write(line)
            out.write(orjson.dumps({"lines": count, "sha256": digest.hexdigest()}) + b"\n")
        raw.flush()
        os.fsync(raw.fileno())


def read_backup(file: Path) -> Backup:
    """Return what a file holds. Raises UnusableBackupError and OSError."""
    try:
        with gzip.open(file, "rb") as lines:
            first = orjson.loads(lines.readline() or b"null")
            if not isinstance(first, dict) or "farandole_backup" not in first:
                raise UnusableBackupError(f"{file} is no backup of Farandole")
            number = first.pop("farandole_backup")
            if number != BACKUP_FORMAT:
                raise UnusableBackupError(
                    f"{file} has format {number}, and this release knows format {BACKUP_FORMAT}; "
                    "restore it with the release that wrote it, or a newer one"
                )
            return _read_body(file, first, lines)
    # Of lines that somebody has edited: the digest is compared behind them.
    except (ValueError, TypeError, KeyError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnusableBackupError(f"{file} is damaged or no backup: {error}") from None


def _read_body(file: Path, header: dict[str, Any], lines: Iterable[bytes]) -> Backup:
    backup = Backup(header, [], [], [])
    digest = sha256()
    for count, line in enumerate(lines):
        if not line.startswith(b"["):
            if orjson.loads(line) != {"lines": count, "sha256": digest.hexdigest()}:
                raise UnusableBackupError(f"{file} is damaged: its lines are not those written")
            return backup
        digest.update(line)
        _add_line(backup, *orjson.loads(line))
    raise UnusableBackupError(f"{file} is not whole: its last line is missing")


def _add_line(backup: Backup, kind: str, *fields: Any) -> None:
    if kind == "record":
        topic, partition, offset, timestamp, key, value, headers = fields
        found = [(name, _bytes(content) or b"") for name, content in headers]
        place = (topic, partition, offset, timestamp)
        backup.records.append(SavedRecord(*place, _bytes(key), _bytes(value), found))
    elif kind == "offset":
        backup.offsets.append(SavedOffset(*fields))
    elif kind == "partition":
        topic, partition, end, last = fields
        backup.partitions.append(
            SavedPartition(topic, partition, end, None if last is None else tuple(last))
        )


def _lines(backup: Backup) -> Iterable[bytes]:
    for each in backup.records:
        headers = [[name, _text(content)] for name, content in each.headers]
        fields = [*each[:4], _text(each.key), _text(each.value), headers]
        yield orjson.dumps(["record", *fields]) + b"\n"
    for offset in backup.offsets:
        yield orjson.dumps(["offset", *offset]) + b"\n"
    for partition in backup.partitions:
        yield orjson.dumps(["partition", *partition]) + b"\n"


def _text(content: bytes | None) -> str | dict[str, str] | None:
    """Return bytes as text that a person can read, where they are UTF-8."""
    if content is None:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(content).decode()}


def _bytes(written: Any) -> bytes | None:
    if isinstance(written, dict):
        return b64decode(written["base64"])
    return None if written is None else str(written).encode()
