"""What do the rows of an event type say, by what a version asks of its data?"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from farandole.events.personal_data_masking import personal_columns
from farandole.events.topology_version import EventSpec
from farandole.stages.cel_expression import compile_row_condition

if TYPE_CHECKING:
    from farandole.quality.checks.rule_tallies import RuleTallies
    from farandole.quality.profiles.edge_profile import EdgeProfile

# In functions, on demand: numpy costs 0.1 s and 20 MB, which only a profiled pipeline should pay.


class RowData(NamedTuple):
    """What some rows say."""

    profile: EdgeProfile
    tallies: RuleTallies | None
    """What the rules of rows have found; None if there are none."""
    keys: Sequence[Any] = ()
    """If the keys of the run are to be unique: those of the rows that have one and that nobody has
    changed."""


def has_unique_key(event: EventSpec) -> bool:
    """Return True if the keys of an event type are to be unique in each run."""
    return (
        bool(event.key)
        and event.is_by_run
        and any(
            check.rule == "unique" and check.column in ("", event.key)
            for check in event.checks.values()
        )
    )


class RowDataReader:
    """Reads the rows of one event type, under one version. Of personal columns no value is kept."""

    def __init__(self, event: EventSpec) -> None:
        from farandole.quality.checks.masked_row import column_tree, may_be_personal
        from farandole.quality.checks.row_column import parse_column
        from farandole.quality.checks.row_rules import compile_row_rules

        self._personal = personal_columns(event.data_schema)
        self._rules = compile_row_rules(event.checks, compile_row_condition)
        self._key_path = parse_column(event.key or "") if has_unique_key(event) else None
        hidden = column_tree(self._personal.whole | self._personal.above)
        self.hides_keys = self._key_path is None or may_be_personal(self._key_path, hidden)
        """True if no key is to be shown."""

    @property
    def notes_keys(self) -> bool:
        """True if the keys of a run are to be unique."""
        return self._key_path is not None

    @property
    def has_rules(self) -> bool:
        """True if there are rules of rows."""
        return bool(self._rules)

    def read(
        self, raws: Sequence[bytes], ids: Sequence[bytes], mended: Container[int] = ()
    ) -> RowData:
        """Return what the rows of events say; `ids`: the id of each of them; `mended`: the places
        of those that a person has changed: their keys have come already."""
        from farandole.quality.checks.row_column import column_values
        from farandole.quality.checks.tallying import tally_rows
        from farandole.quality.profiles.profiling import profile_rows, profile_with_rows

        if self._key_path is None and not self._rules:
            return RowData(self._masked(profile_rows(raws, self._personal.whole)), None)
        profile, read = profile_with_rows(raws, self._personal.whole)
        places = [*range(len(raws))]
        if read.unreadable:
            bad = {*read.unreadable}
            places = [at for at in places if at not in bad]
        keys: Sequence[Any] = ()
        if self._key_path is not None:
            values = column_values(read.rows, self._key_path)
            keys = [
                value
                for at, value in zip(places, values, strict=True)
                if isinstance(value, str | int | float) and at not in mended
            ]
        if not self._rules:
            return RowData(self._masked(profile), None, keys)
        hidden = self._personal.whole | self._personal.above
        tallies = tally_rows(read.rows, [ids[at] for at in places], self._rules, hidden)
        return RowData(self._masked(profile), tallies, keys)

    def read_died(self, raws: Sequence[bytes]) -> EdgeProfile:
        """Return what the rows of events say that have become dead letters. They were judged when
        they came."""
        from farandole.quality.profiles.profiling import profile_rows

        return self._masked(profile_rows(raws, self._personal.whole))

    def _masked(self, profile: EdgeProfile) -> EdgeProfile:
        for name in self._personal.above & profile.columns.keys():
            profile.columns[name] = profile.columns[name].without_values()
        return profile
