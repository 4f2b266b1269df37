"""What is remembered of each run and window, so that later ones can be compared with it?

`farandole.quality.history` has one row for each, under `PIPELINE/run/RUN` or
`PIPELINE/window/EVENT TYPE/START`, in the order in which they ended. All rows of a pipeline are in
one partition.
"""

from __future__ import annotations

from math import isfinite
from typing import Any, NamedTuple, NotRequired, TypedDict

import orjson

from farandole.events.check_verdict import CheckVerdicts, are_check_verdicts
from farandole.events.control_generations import are_generations
from farandole.events.row_format import check_format

MAX_MEASUREMENTS = 4_000  # of one run
MAX_EXAMPLES = 5  # ids, and values that break a check
_MAX_TEXT = 300  # characters of a name, an id or a value


class Measurement(NamedTuple):
    """One number about a run or window."""

    edge: str
    """The event type, or `event type>stage`; empty for what is about the run as a whole."""
    column: str
    """Empty for a number about the edge as a whole."""
    statistic: str
    """For example `rows`, `nulls`, `p95`, or the name of a check."""
    kind: str
    """What it measures: `volume`, `duration`, `age`, `dead share`, `repeated share`, `null share`,
    `distinct`, `quantile`, `top-value share`, `failing share`."""
    value: float
    rows: int = 0
    """Of how many rows a share is."""
    low: float | None = None
    high: float | None = None
    """Between which values a quantile could as well have been."""


class CheckExamples(TypedDict):
    """Rows that break a check."""

    ids: list[str]
    values: dict[str, int]
    """How often the most frequent values have broken it."""


class EventExamples(TypedDict):
    """Some of the events of one type."""

    ids: NotRequired[list[str]]
    checks: NotRequired[dict[str, CheckExamples]]
    """By the name of a rule of rows that some rows break."""


class HistoryRow(TypedDict):
    """The value of one row."""

    pipeline: str
    version: int
    run: NotRequired[str]
    event: NotRequired[str]
    """The event type of a window."""
    window: NotRequired[int]
    """When it begins, in milliseconds of the epoch, as are the times below."""
    at: int
    """When the run or window was closed."""
    opened: NotRequired[int]
    status: NotRequired[str]
    """How the run has ended."""
    root: NotRequired[str]
    """The event type that opened the run."""
    schedule: NotRequired[str]
    """The schedule that opened the run."""
    measurements: list[list[Any]]
    """Each is a `Measurement` without the fields at its end that have their defaults."""
    verdicts: NotRequired[CheckVerdicts]
    controls: NotRequired[list[str]]
    """The control documents under which its events were worked (`control_generations.py`)."""
    examples: NotRequired[dict[str, EventExamples]]
    """By event type."""
    columns: NotRequired[dict[str, Any]]
    """By `event type/column`, the profile of each column that a check compares with those
    before."""
    values: NotRequired[dict[str, Any]]
    """By `event type/column`, the values of each column that a check looks for in runs before, or
    in which it looks for them: as `TopValues` are written; None if they are not known."""


def is_example(row: HistoryRow) -> bool:
    """Return True if later runs are compared with this one: it has neither failed nor been
    cancelled."""
    return not row.get("status", "completed").startswith(("failed", "cancelled"))


def history_key(row: HistoryRow) -> bytes:
    """Return the key of a row's record."""
    if "run" in row:
        return f"{row['pipeline']}/run/{row['run']}".encode()
    return f"{row['pipeline']}/window/{row.get('event', '')}/{row.get('window', 0)}".encode()


def parse_history_row(value: bytes | None) -> HistoryRow | None:
    """Return the row in a record; None if no bookkeeper of ours wrote it. Raises
    NewerFormatError."""
    try:
        row = orjson.loads(value or b"")
        check_format("quality history", row)
        fits = (
            type(row["pipeline"]) is str
            and type(row["version"]) is int
            and type(row["at"]) is int
            and type(row["measurements"]) is list
            and len(row["measurements"]) <= MAX_MEASUREMENTS
            and are_check_verdicts(row.get("verdicts", {}))
            and type(row.get("run", "")) is str
            and type(row.get("status", "")) is str
            and type(row.get("root", "")) is str
            and type(row.get("opened", 0)) is int
            and are_generations(row.get("controls", []))
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None
    found: HistoryRow = row
    return found if fits else None


def read_measurements(row: HistoryRow) -> list[Measurement]:
    """Return the measurements of a row, without those that no bookkeeper of ours wrote."""
    return [Measurement(*each) for each in row["measurements"] if _is_measurement(each)]


def read_examples(row: HistoryRow, event_type: str, check: str = "") -> CheckExamples:
    """Return examples of the events of a type, or of those that break a check; without what no
    bookkeeper of ours wrote."""
    found = _object(_object(row.get("examples")).get(event_type))
    if check:
        found = _object(_object(found.get("checks")).get(check))
    ids, values = found.get("ids"), _object(found.get("values"))
    texts = ids if isinstance(ids, list) else []
    return {
        "ids": [each for each in texts if type(each) is str and len(each) <= _MAX_TEXT][
            :MAX_EXAMPLES
        ],
        "values": {
            value: count for value, count in [*values.items()][:MAX_EXAMPLES] if type(count) is int
        },
    }


def _object(found: Any) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def written_measurement(measurement: Measurement) -> list[Any]:
    """Return a measurement as it stands in a row."""
    written = [*measurement]
    for default in (None, None, 0):
        if written[-1] != default:
            break
        written.pop()
    return written


def _is_measurement(found: Any) -> bool:
    if type(found) is not list or not 5 <= len(found) <= 8:
        return False
    return (
        all(type(text) is str and len(text) <= _MAX_TEXT for text in found[:4])
        and _is_number(found[4])
        and (len(found) < 6 or (type(found[5]) is int and found[5] >= 0))
        and all(end is None or _is_number(end) for end in found[6:])
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)
