"""Which faults are planted, and which days of the flights count as events?

Written down before anything was tuned. Tuning uses the seeds of `TUNING`; what is reported comes
from the seeds of `REPORTED` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REPORTED: Final = range(1, 11)
TUNING: Final = range(1_001, 1_011)

FAULTS: Final = (
    "volume",  # the last 30 % of the file are missing
    "nulls",  # 2 % of the rows have lost the value of one column
    "distinct",  # each second value of a column is written as its neighbour
    "unit",  # a column of money is 100 times what it was
    "category",  # 1 % of the rows have a value of a small column that was never there
    "duplicate",  # a contiguous quarter of the file is there twice
    "late",  # the run begins half an interval after its time
    "stuck",  # a column repeats one value through the second half of the file
)


@dataclass(frozen=True, slots=True)
class FeedPlan:
    """How often a feed runs, and where in a year of runs the faults lie.

    Faults take turns in an order drawn by the seed, each in one run. A fault is found if an
    incident opens in its run (a late run: before it begins). Every other incident is false, also
    one on a holiday.
    """

    name: str
    seconds: int
    """From one run to the next."""
    warm_up: int
    """Runs without faults at the beginning; their false alerts count."""
    runs_between: int
    """From one fault to the next."""


WEEKLY: Final = FeedPlan("weekly", 7 * 86_400, warm_up=12, runs_between=3)
DAILY: Final = FeedPlan("daily", 86_400, warm_up=60, runs_between=12)
HOURLY: Final = FeedPlan("hourly", 3_600, warm_up=24 * 42, runs_between=24 * 9)

# Days of 2013 in New York on which more than 35 % of the flights were cancelled or more than an
# hour late: a list that several published exercises on nycflights13 derive.
WORST_DAYS: Final = (
    "2013-02-08", "2013-02-09",  # the blizzard of February ("Nemo")
    "2013-03-08",  # snow
    "2013-05-23", "2013-06-24", "2013-06-28", "2013-07-01", "2013-07-10", "2013-07-23",
    "2013-09-02", "2013-09-12",  # thunderstorms
    "2013-12-05",  # fog
)  # fmt: skip
# Days with a cause in the news, whatever it did to the flights.
KNOWN_CAUSES: Final = {
    "2013-04-16": "an airline's reservation system was down, all of its flights stood",
    "2013-06-07": "tropical storm Andrea",
    "2013-06-13": "the storms of the derecho of 12-13 June",
    "2013-07-22": "a landing gear collapsed at LaGuardia, the airport was closed",
    "2013-12-10": "snow",
    "2013-12-14": "snow",
    "2013-12-17": "snow",
}
# Days on which people do not fly as on other days: an alert on one is not false, none is expected.
HOLIDAYS: Final = (
    "2013-01-01", "2013-05-25", "2013-05-26", "2013-05-27", "2013-07-04", "2013-07-05",
    "2013-08-31", "2013-09-01", "2013-09-02", "2013-11-27", "2013-11-28", "2013-11-29",
    "2013-11-30", "2013-12-24", "2013-12-25", "2013-12-31",
)  # fmt: skip
# Hours of the hourly flights that are taken out whole, as if the feed had stopped.
GAPS: Final = (
    ("2013-03-20 10:00", 4),
    ("2013-05-14 15:00", 3),
    ("2013-08-13 08:00", 6),
    ("2013-10-23 17:00", 3),
)
