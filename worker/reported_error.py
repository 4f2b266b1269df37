"""How does an error that a function raised in another process look to a lane?"""

from __future__ import annotations

from functools import lru_cache


class ReportedError(Exception):
    """An error of another process, with what that process said of it. Its class has the published
    name of the original one."""

    def __init__(self, message: str, *, place: str, traceback: str, is_retryable: bool) -> None:
        """`place` is the last line of the user's code, `traceback` its frames as text; both may be
        empty. `is_retryable`: whether the stage's `retry:` lets it be tried again."""
        super().__init__(message)
        self.place = place
        self.traceback = traceback
        self.is_retryable = is_retryable


def reported_error(
    name: str, message: str, *, place: str, traceback: str, is_retryable: bool
) -> ReportedError:
    """Return the error with this published name."""
    return _error_class(name)(message, place=place, traceback=traceback, is_retryable=is_retryable)


@lru_cache(maxsize=256)
def _error_class(name: str) -> type[ReportedError]:
    return type(name.replace("\0", "?"), (ReportedError,), {})
