"""How is each value of a schedule written, and what does it mean?

As in `farandole.router.file_values`, each function reads what the YAML parser gives it, returns the
value for the model, and raises PydanticCustomError if it is written wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, get_args

from pydantic import BeforeValidator, Field

from farandole.events.schedule_spec import (
    RUN_STATUS_WORDS,
    CatchUpRuns,
    DeadlinePolicy,
    OverlapPolicy,
    UnknownPolicy,
)
from farandole.router.file_values import (
    as_tuple,
    parse_duration,
    parse_positive_duration,
    value_error,
)
from farandole.stages.nearest_name import did_you_mean

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_BUFFER = 10_000
MAX_SPAN = 3_650 * 86_400.0
"""Seconds of the longest interval, jitter or deadline."""
FIRST_YEAR, LAST_YEAR = 1970, 2999
ANY_STATUS = "any"
DATE_PATTERN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME_PATTERN = re.compile(
    rf"{DATE_PATTERN.pattern}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?"
)


def parse_time_text(written: object) -> str:
    """Return a day or a time in ISO 8601, as versions write it. Raises PydanticCustomError."""
    if isinstance(written, str) and TIME_PATTERN.fullmatch(written):
        try:
            year = datetime.fromisoformat(written).year
        except ValueError as error:
            raise value_error(
                f"there is no {written!r}: {error}", "write a day and a time that there are"
            ) from None
        if not FIRST_YEAR <= year <= LAST_YEAR:
            raise value_error(
                f"{written!r} is too far away", f"write a year from {FIRST_YEAR} to {LAST_YEAR}"
            )
        return written.replace(" ", "T")
    raise value_error(
        f"{_shown(written)} is no time",
        "write for example 2026-12-24T18:00, or 2026-12-24T17:00Z for UTC",
    )


def parse_date(written: object) -> date:
    """Return the day. Raises PydanticCustomError."""
    if isinstance(written, str) and DATE_PATTERN.fullmatch(written):
        try:
            return date.fromisoformat(written)
        except ValueError as error:
            raise value_error(
                f"there is no {written!r}: {error}", "write a day that there is"
            ) from None
    raise value_error(f"{_shown(written)} is no day", "write for example 2026-12-24")


def parse_weekday(written: object) -> int:
    """Return 0 for Monday to 6 for Sunday. Raises PydanticCustomError."""
    if isinstance(written, str) and written in WEEKDAYS:
        return WEEKDAYS.index(written)
    remedy = f"write one of {', '.join(WEEKDAYS)}"
    short = str(written).lower()[:3]
    raise value_error(
        f"{_shown(written)} is no weekday", f"write {short}" if short in WEEKDAYS else remedy
    )


def parse_span(written: object) -> float:
    """Return the seconds of a duration of at most ten years. Raises PydanticCustomError."""
    seconds = parse_duration(written)
    if seconds > MAX_SPAN:
        raise value_error(f"{written} is longer than ten years", "write at most 3650d")
    return seconds


def parse_positive_span(written: object) -> float:
    """Return the seconds of such a duration that is longer than 0. Raises PydanticCustomError."""
    parse_positive_duration(written)
    return parse_span(written)


def parse_interval(written: object) -> float:
    """Return the seconds of an interval. Raises PydanticCustomError."""
    seconds = parse_span(written)
    if seconds < 1:
        raise value_error(
            f"a schedule cannot fire every {written}", "write at least 1s, for example every: 15m"
        )
    return seconds


def normalize_overlap(written: object) -> object:
    """Return the policy and the cap: `{buffer-all: 500}` has one."""
    if isinstance(written, dict):
        if list(written) != ["buffer-all"] or type(written["buffer-all"]) is not int:
            raise value_error(
                "only `buffer-all` has a number: how many planned times may wait",
                "write for example overlap: {buffer-all: 500}",
            )
        if not 1 <= written["buffer-all"] <= MAX_BUFFER:
            raise value_error(
                f"{written['buffer-all']} planned times cannot wait",
                f"write a number from 1 to {MAX_BUFFER}",
            )
        return "buffer-all", written["buffer-all"]
    return None if written is None else (_parse_word(written, "overlap", _OVERLAPS), None)


def normalize_catch_up(written: object) -> object:
    """Return the policy as a mapping: a word alone says which runs are caught up on."""
    if isinstance(written, dict):
        return written
    return {"runs": parse_catch_up_runs(written)} if written is not None else {}


def parse_catch_up_runs(written: object) -> str:
    """Return which planned times fire late. Raises PydanticCustomError."""
    return _parse_word(written, "catch_up", get_args(CatchUpRuns))


def parse_unknown(written: object) -> str:
    """Return what happens while the books lag. Raises PydanticCustomError."""
    return _parse_word(written, "unknown", get_args(UnknownPolicy))


def parse_otherwise(written: object) -> str:
    """Return what happens at the deadline. Raises PydanticCustomError."""
    return _parse_word(written, "otherwise", get_args(DeadlinePolicy))


def parse_status(written: object) -> str:
    """Return how a run must have ended, as a word. Raises PydanticCustomError."""
    return _parse_word(written, "status", (*RUN_STATUS_WORDS, ANY_STATUS))


_OVERLAPS: Sequence[str] = get_args(OverlapPolicy)


def _parse_word(written: object, key: str, known: Sequence[str]) -> str:
    if isinstance(written, str) and written in known:
        return written
    listed = f"{', '.join(known[:-1])} or {known[-1]}"
    raise value_error(
        f"`{key}:` cannot be {_shown(written)}",
        did_you_mean(str(written), known, f"write {listed}"),
    )


def _shown(written: object) -> str:
    if written is None:
        return "nothing"
    if isinstance(written, bool):
        return str(written).lower()  # as YAML has it
    return f"{written if isinstance(written, str | int | float) else type(written).__name__!r:.60}"


def as_items(written: object) -> object:
    """Return one mapping, or a list of them, as a tuple."""
    if isinstance(written, dict):
        return (written,)
    return tuple(written) if isinstance(written, list) else written


TimeText = Annotated[str, BeforeValidator(parse_time_text)]
TimeTexts = Annotated[tuple[TimeText, ...], BeforeValidator(as_tuple), Field(min_length=1)]
DateList = Annotated[
    tuple[Annotated[date, BeforeValidator(parse_date)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
]
WeekdayList = Annotated[
    tuple[Annotated[int, BeforeValidator(parse_weekday)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
]
Span = Annotated[float, BeforeValidator(parse_span)]
PositiveSpan = Annotated[float, BeforeValidator(parse_positive_span)]
Interval = Annotated[float, BeforeValidator(parse_interval)]
Overlap = Annotated[tuple[str, int | None], BeforeValidator(normalize_overlap)]
CatchUpWord = Annotated[str, BeforeValidator(parse_catch_up_runs)]
UnknownWord = Annotated[str, BeforeValidator(parse_unknown)]
OtherwiseWord = Annotated[str, BeforeValidator(parse_otherwise)]
StatusList = Annotated[
    tuple[Annotated[str, BeforeValidator(parse_status)], ...],
    BeforeValidator(as_tuple),
    Field(min_length=1),
]
