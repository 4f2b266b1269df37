"""When does a control document expire that somebody asks for?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from farandole.operations.errors import InvalidRequestError


def expiry(duration: timedelta | None, until: datetime | None) -> datetime | None:
    """Return when a document expires that is to be in force for so long, or until then; None if it
    does not expire. Raises InvalidRequestError if both are given, or that time is over."""
    now = datetime.now(UTC)
    if duration is not None and until is not None:
        raise InvalidRequestError("invalid_request", "say how long, or until when, not both")
    expires = until if duration is None else now + duration
    if expires is not None and expires <= now:
        raise InvalidRequestError("invalid_request", f"{expires:%Y-%m-%d %H:%M:%S} UTC is over")
    return expires
