"""Which hours are alike?"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final

import numpy as np
from numpy.typing import NDArray

HOURS_A_WEEK: Final = 168
_MONDAY: Final = 3
"""The first day of the epoch was a Thursday."""


def local_hour(at: float, zone: tzinfo = UTC) -> int:
    """Return the number of the hour since 1970-01-01 00:00 on the clock of a zone; `at` is in
    seconds of the epoch. Raises OverflowError or ValueError for a time that has no date."""
    moment = datetime.fromtimestamp(at, UTC).astimezone(zone)
    offset = moment.utcoffset()
    assert offset is not None
    return int((moment.timestamp() + offset.total_seconds()) // 3600)


def hour_of_week(hours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the hour of the week of each numbered hour, from Monday 00:00, 0 to 167."""
    return (hours // 24 + _MONDAY) % 7 * 24 + hours % 24
