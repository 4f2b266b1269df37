"""Which rows does `farandole.quality` have?

Each is written once, when a run or a window is closed, under the key
`PIPELINE/EVENT TYPE/run/RUN` or `PIPELINE/EVENT TYPE/window/START`. What a replay adds to a closed
run follows in rows of their own, under that key and `+` and the offset of the entry in the ledger;
who reads a profile merges all of them (`quality.profiles`).
"""

from __future__ import annotations

from typing import Any, NamedTuple, NotRequired, TypedDict
from zlib import crc32

import orjson

from farandole.events.check_verdict import CheckVerdicts
from farandole.events.row_format import check_format


class QualityRow(TypedDict):
    """The value of one row."""

    pipeline: str
    version: int
    event: str
    stage: str
    """The stage that profiled the events; empty if none subscribes to them."""
    at: int
    """When the run or the window was closed, in milliseconds of the epoch."""
    run: NotRequired[str]
    window: NotRequired[int]
    until: NotRequired[int]
    """When the window ends, in milliseconds of the epoch."""
    opened: NotRequired[int]
    """When the run was opened, in milliseconds of the epoch."""
    status: NotRequired[str]
    """How the run ended."""
    profile: NotRequired[dict[str, Any]]
    died: NotRequired[dict[str, Any]]
    mended: NotRequired[int]
    """How many of the rows a person has changed."""
    keys: NotRequired[dict[str, Any]]
    """How many rows have a key that has come before."""
    ids: NotRequired[list[str]]
    """Of some of the events."""
    checks: NotRequired[dict[str, Any]]
    """What the rules of rows have found."""
    verdicts: NotRequired[CheckVerdicts]
    metrics: NotRequired[dict[str, float]]
    """The numbers that the search for anomalies looks at, by name."""
    anomalies: NotRequired[list[dict[str, Any]]]


class QualityKey(NamedTuple):
    """The parts of a key."""

    pipeline: str
    event: str
    run: str | None
    window: int | None
    amended: int | None = None
    """The offset of the ledger of what a replay has added; None for the row of the closed run."""

    @property
    def record_key(self) -> bytes:
        """The key of the record."""
        kind = f"run/{self.run}" if self.run is not None else f"window/{self.window}"
        more = "" if self.amended is None else f"+{self.amended}"
        return f"{self.pipeline}/{self.event}/{kind}{more}".encode()


def pipeline_partition(pipeline: str, partitions: int) -> int:
    """Return the partition of `farandole.quality` that has all rows of a pipeline."""
    return crc32(pipeline.encode()) % partitions


def parse_quality_key(key: bytes) -> QualityKey | None:
    """Return the parts of a key; None if it is no key of such a row."""
    parts = key.decode(errors="replace").split("/")
    if len(parts) != 4:
        return None
    pipeline, event, kind, name = parts
    name, _, amended = name.partition("+")
    if amended and not amended.isdecimal():
        return None
    offset = int(amended) if amended else None
    if kind == "run" and name:
        return QualityKey(pipeline, event, name, None, offset)
    if kind == "window" and name.isdecimal():
        return QualityKey(pipeline, event, None, int(name), offset)
    return None


def parse_quality_row(value: bytes | None) -> QualityRow | None:
    """Return the row in a record; None for a tombstone, and for what no bookkeeper wrote. Raises
    NewerFormatError. The profile in it is not checked: `EdgeProfile.from_json` does that."""
    try:
        row = orjson.loads(value or b"")
        check_format("quality row", row)
        texts = (row["pipeline"], row["event"], row["stage"])
        numbers = (row["version"], row["at"], row.get("mended", 0))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if not all(type(each) is str for each in texts) or not all(type(n) is int for n in numbers):
        return None
    found: QualityRow = row
    return found
