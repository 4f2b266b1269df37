"""What do the lanes say about the data of the events of one type, in one run or window?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from farandole.events.profile_delta import ProfileDelta
from farandole.events.quality_row import QualityKey, QualityRow, parse_quality_row
from farandole.quality.profiles.sample_ids import first_ids

if TYPE_CHECKING:
    from farandole.quality.checks.rule_tallies import RuleTallies, RuleTally
    from farandole.quality.profiles.edge_profile import EdgeProfile

_MAX_PROFILE_BYTES = 400 * 1024  # of each profile in a row, which may have twice as much
_MAX_TALLIES_BYTES = 100 * 1024
MAX_ID_LENGTH = 500  # characters


class EdgeData:
    """The sum of all deltas of one run or window."""

    def __init__(self, key: QualityKey, version: int, stage: str, until: int = 0) -> None:
        self.key = key
        self.version = version
        self.stage = stage
        """The stage that profiles the events; empty if none subscribes to them."""
        self.until = until
        """When the window ends, in milliseconds of the epoch; 0 for a run."""
        self.profile: EdgeProfile | None = None
        """The rows that were consumed for the first time; None if there are none."""
        self.died: EdgeProfile | None = None
        """Those that have become dead letters."""
        self.mended = 0
        """How many of the rows that were consumed a person has changed."""
        self.keys: RuleTally | None = None
        """How many rows have a key that has come before; None if no lane knows."""
        self.tallies: RuleTallies | None = None
        """What the rules of rows have found; None if there are none."""
        self.ids: list[str] = []
        """Of some of the rows: those with the least hashes."""

    def add(self, delta: ProfileDelta) -> None:
        """Add what one transaction says. Raises ValueError if the profiles are none; then nothing
        is added."""
        more = EdgeData(self.key, delta["version"], self.stage)
        more.profile, more.died = _read(delta.get("profile")), _read(delta.get("died"))
        more.tallies = _read_tallies(delta.get("checks"))
        more.keys = _read_tally(delta.get("keys"))
        more.mended = delta.get("mended", 0)
        more.ids = _read_ids(delta.get("ids"))
        self.merge(more)

    def merge(self, other: EdgeData) -> None:
        """Add what is known of other events of the same run or window."""
        self.profile = _merged(self.profile, other.profile)
        self.died = _merged(self.died, other.died)
        self.mended += other.mended
        if self.keys is None or other.keys is None:
            self.keys = self.keys or other.keys
        else:
            self.keys.merge(other.keys)
        if self.tallies is None or other.tallies is None:
            self.tallies = self.tallies or other.tallies
        else:
            self.tallies.merge(other.tallies)
        self.ids = first_ids({*self.ids, *other.ids})
        self.version = max(self.version, other.version)

    def to_row(self, at: int) -> QualityRow:
        """Return the row; `at`: milliseconds of the epoch."""
        row: QualityRow = {
            "pipeline": self.key.pipeline,
            "version": self.version,
            "event": self.key.event,
            "stage": self.stage,
            "at": at,
        }
        if self.key.run is not None:
            row["run"] = self.key.run
        if self.key.window is not None:
            row |= {"window": self.key.window, "until": self.until}
        if self.profile is not None:
            row["profile"] = _written(self.profile)
        if self.died is not None:
            row["died"] = _written(self.died)
        if self.mended:
            row["mended"] = self.mended
        if self.keys is not None:
            row["keys"] = self.keys.to_json()
        if self.ids:
            row["ids"] = self.ids
        if self.tallies is not None:
            row["checks"] = _fragment(self.tallies.to_delta(_MAX_TALLIES_BYTES))
        return row


def parse_edge_data(key: QualityKey, value: bytes | None) -> EdgeData | None:
    """Return what a row says; None if no bookkeeper of ours wrote it. Raises NewerFormatError."""
    row = parse_quality_row(value)
    if row is None:
        return None
    data = EdgeData(key, row["version"], row["stage"], row.get("until", 0))
    data.mended = row.get("mended", 0)
    try:
        data.profile, data.died = _read(row.get("profile")), _read(row.get("died"))
        data.keys = _read_tally(row.get("keys"))
        data.tallies = _read_tallies(row.get("checks"))
        data.ids = _read_ids(row.get("ids"))
    except ValueError:
        return None
    return data


def _read(wire: object) -> EdgeProfile | None:
    # On demand: numpy costs 0.1 s and 20 MB, which only a profiled pipeline should pay.
    from farandole.quality.profiles.edge_profile import EdgeProfile

    return None if wire is None else EdgeProfile.from_json(wire)


def _read_tally(wire: object) -> RuleTally | None:
    from farandole.quality.checks.rule_tallies import RuleTally  # on demand, as above

    return None if wire is None else RuleTally.from_json(wire)


def _read_ids(wire: object) -> list[str]:
    ids = [] if wire is None else wire
    if not isinstance(ids, list) or not all(type(each) is str for each in ids):
        raise ValueError("ids are a list of texts")
    return first_ids(each[:MAX_ID_LENGTH] for each in ids)


def _read_tallies(wire: object) -> RuleTallies | None:
    from farandole.quality.checks.rule_tallies import RuleTallies  # on demand, as above

    return None if wire is None else RuleTallies.from_json(wire)


def _merged(known: EdgeProfile | None, more: EdgeProfile | None) -> EdgeProfile | None:
    if known is None or more is None:
        return known or more
    known.merge(more)
    return known


def _written(profile: EdgeProfile) -> Any:
    return _fragment(profile.to_delta(_MAX_PROFILE_BYTES))


def _fragment(written: bytes) -> Any:
    return orjson.Fragment(written)  # in the place of what it is the text of
