"""Which times are usable, and what counts in place of one that is not?

The producer of a record sets its timestamp, and Kafka takes any 64-bit number: -1 if it is unknown,
negative numbers, and times that somebody wrote in micro- or nanoseconds. Nothing but this module
turns such a number into a time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, TypeAdapter

MAX_TIME_MS = 253_402_300_799_000
"""The end of the year 9999 in milliseconds of the epoch: no usable time is later."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
"""The smallest difference of two times."""
_LAST_ROW_TIME = datetime(9000, 1, 1, tzinfo=UTC)  # a duration can be added to it


def known_time_ms(timestamp: int) -> int | None:
    """Return a record's timestamp, in milliseconds of the epoch; None if it is no time: 0,
    negative, or after the year 9999."""
    return timestamp if 0 < timestamp <= MAX_TIME_MS else None


def past_time_ms(timestamp: int, now: int) -> int:
    """Return a record's timestamp; `now` if it is no time, or later than `now`. Both are in
    milliseconds of the epoch."""
    return timestamp if 0 < timestamp <= now else now


def known_time(timestamp: int) -> datetime | None:
    """Return the time of a record's timestamp, in UTC; None if it is no time."""
    milliseconds = known_time_ms(timestamp)
    return None if milliseconds is None else EPOCH + timedelta(milliseconds=milliseconds)


def past_time(timestamp: int, now: datetime) -> datetime:
    """Return the time of a record's timestamp; `now` if it is no time, or later than `now`."""
    time = known_time(timestamp)
    return now if time is None else min(time, now)


def to_milliseconds(time: datetime) -> int:
    """Return a time in milliseconds of the epoch."""
    return (time - EPOCH) // timedelta(milliseconds=1)


def _to_row_time(time: datetime) -> datetime:
    if time.tzinfo is UTC and EPOCH <= time <= _LAST_ROW_TIME:
        return time  # as all that we write
    return min(max(time, EPOCH), _LAST_ROW_TIME).astimezone(UTC)


RowTime = Annotated[AwareDatetime, AfterValidator(_to_row_time)]
"""A time in a row of one of our tables, in UTC. One without a zone makes the row invalid; one that
is too far away to be reckoned with becomes the nearest that is not."""

_ROW_TIME: TypeAdapter[datetime] = TypeAdapter(RowTime)


def parse_row_time(text: object) -> datetime:
    """Return the time in a field of a row that no model describes. Raises ValueError."""
    return _ROW_TIME.validate_python(text)
