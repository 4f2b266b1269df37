"""What was found when a run, or window, was compared with those before it?

The rows stand in `farandole.quality` too, under `PIPELINE/findings/RUN`,
`PIPELINE/findings/EVENT TYPE:START`, or `PIPELINE/findings/silence:FEED:AT` for a feed that did not
come. That something unusual is over stands under `PIPELINE/over/ANOMALY`.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict, get_args

import orjson

from farandole.events.check_verdict import CheckVerdicts, are_check_verdicts
from farandole.events.row_format import check_format

FINDINGS = "findings"
OVER = "over"

HowOver = Literal["as before", "expected", "came"]
"""The numbers are as before, or the new level has become the usual one; a person has taken it as
normal; the feed has come."""


class FindingsRow(TypedDict):
    """The value of one row."""

    pipeline: str
    at: int
    """When the run or window was closed, in milliseconds of the epoch."""
    run: NotRequired[str]
    event: NotRequired[str]
    window: NotRequired[int]
    feed: NotRequired[str]
    """The event type that should have come; then there is neither a run nor a window."""
    verdicts: CheckVerdicts
    """Of the checks that compare it with those before."""
    anomalies: list[dict[str, Any]]
    """What is unlike before, the farthest first."""


class OverRow(TypedDict):
    """The value of the row that says that something unusual is over."""

    pipeline: str
    anomaly: str
    at: int
    """Milliseconds of the epoch."""
    how: HowOver
    by: NotRequired[str]
    """Who has taken it as normal, and in `comment` why."""
    comment: NotRequired[str]


def findings_key(row: FindingsRow) -> bytes:
    """Return the key of a row's record."""
    if "feed" in row:
        name = f"silence:{row['feed']}:{row['at']}"
    else:
        name = row.get("run") or f"{row.get('event', '')}:{row.get('window', 0)}"
    return f"{row['pipeline']}/{FINDINGS}/{name}".encode()


def is_findings_key(key: bytes, pipeline: str) -> bool:
    """Return True for the key of such a row of a pipeline."""
    return key.startswith(f"{pipeline}/{FINDINGS}/".encode())


def parse_findings_row(value: bytes | None) -> FindingsRow | None:
    """Return the row in a record; None if no lane of ours wrote it. Raises NewerFormatError."""
    try:
        row = orjson.loads(value or b"")
        check_format("quality findings", row)
        fits = (
            type(row["pipeline"]) is str
            and type(row["at"]) is int
            and are_check_verdicts(row["verdicts"])
            and type(row["anomalies"]) is list
            and all(type(each) is dict for each in row["anomalies"])
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    found: FindingsRow = row
    return found if fits else None


def over_key(row: OverRow) -> bytes:
    """Return the key of a row's record."""
    return f"{row['pipeline']}/{OVER}/{row['anomaly']}".encode()


def is_over_key(key: bytes, pipeline: str) -> bool:
    """Return True for the key of such a row of a pipeline."""
    return key.startswith(f"{pipeline}/{OVER}/".encode())


def parse_over_row(value: bytes | None) -> OverRow | None:
    """Return the row in a record; None if no lane of ours wrote it. Raises NewerFormatError."""
    try:
        row = orjson.loads(value or b"")
        check_format("quality findings", row)
        fits = (
            type(row["pipeline"]) is str
            and type(row["anomaly"]) is str
            and type(row["at"]) is int
            and row["how"] in get_args(HowOver)
            and type(row.get("by", "")) is str
            and type(row.get("comment", "")) is str
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    found: OverRow = row
    return found if fits else None
