"""How are durations, moments, versions and offsets read from the command line?"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

FILE_SIDE: Final = "file"
"""The word for the topology file, where a version is expected."""
_MAX_DURATION = timedelta(days=3650)


class DurationParameter(click.ParamType):
    """Reads `30m`, `2h` or `1d`, as in a topology file, as a timedelta."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        from pydantic_core import PydanticCustomError

        from farandole.router.file_values import parse_positive_duration

        try:
            seconds = parse_positive_duration(value)
        except PydanticCustomError as error:
            self.fail(f"{error.message()}; {(error.context or {})['remedy']}", param, ctx)
        if seconds > _MAX_DURATION.total_seconds():
            self.fail(f"{value!r} is too long; at most {_MAX_DURATION.days}d", param, ctx)
        return timedelta(seconds=seconds)


class MomentParameter(click.ParamType):
    """Reads `2h` (that long ago), or a date and time in UTC, as milliseconds of the epoch."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            length: timedelta = DurationParameter().convert(value, param, ctx)
            return int((time.time() - length.total_seconds()) * 1000)
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


class UntilParameter(click.ParamType):
    """Reads a date and time, in UTC if it has no zone."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            at = datetime.fromisoformat(value)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time, such as 2026-11-24T14:00", param, ctx)


class VersionParameter(click.ParamType):
    """Reads `3` or `pipeline@3` as a number, and `file` as FILE_SIDE."""

    name = "version"

    def convert(self, value: object, param: object, ctx: object) -> int | str:
        if isinstance(value, int) or value == FILE_SIDE:
            return value
        number = str(value).rpartition("@")[2]
        if not number.isdigit():
            self.fail(f"{value!r} is no version; write a number, or `{FILE_SIDE}` for the file")
        return int(number)


class OffsetParameter(click.ParamType):
    """Reads `earliest` or `latest` as they are, and an offset as a number."""

    name = "earliest|latest|OFFSET"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | int:
        if value in ("earliest", "latest"):
            return str(value)
        if not str(value).isdigit():
            self.fail(f"{value!r} is neither earliest, latest nor an offset", param, ctx)
        return int(value)
