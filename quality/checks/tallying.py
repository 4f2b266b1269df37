"""What do the rules of an event type find in a batch of rows?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from farandole.quality.checks.masked_row import column_tree, mask_columns, may_be_personal
from farandole.quality.checks.row_column import ColumnPath, column_values
from farandole.quality.checks.row_rules import RowRule
from farandole.quality.checks.rule_tallies import (
    MAX_ID_TEXT,
    MAX_SAMPLE_TEXT,
    LeftOut,
    RuleTallies,
    RuleTally,
)
from farandole.quality.checks.value_text import row_text, value_text
from farandole.quality.profiles.sample_ids import first_ids


def tally_rows(
    rows: Sequence[Any],
    ids: Sequence[bytes],
    rules: Sequence[RowRule],
    personal: Collection[str],
) -> RuleTallies:
    """Return the tallies of rows, as JSON is read: by orjson, which reads an integer beyond 64 bits
    as a double, or by `parse_json`, which does not. `ids`: the id of each row's event. `rules`:
    what `compile_row_rules` returns. `personal`: the columns, and the objects and lists, of which
    no value is to be shown."""
    tree = column_tree(personal)
    tallies = RuleTallies()
    tallies.rows = len(rows)
    values_at: dict[ColumnPath, list[Any]] = {}
    bad: set[int] = set()
    for rule in rules:
        if rule.path not in values_at:
            values_at[rule.path] = column_values(rows, rule.path)
        values, breaks = values_at[rule.path], rule.breaks
        failed = [place for place, value in enumerate(values) if breaks(value)]
        tally = tallies.rules[rule.name] = RuleTally()
        tally.judged, tally.failed = len(rows), len(failed)
        if rule.judges_rows:
            bad.update(failed)
        if rule.path and may_be_personal(rule.path, tree):
            tally.leave_values_out(LeftOut.PERSONAL)
        elif rule.path and failed:
            tally.add_values(Counter(value_text(values[place]) for place in failed))
        if failed:
            places: dict[str, list[int]] = {}
            for place in failed:
                places.setdefault(_id_text(ids[place]), []).append(place)
            tally.add_samples(
                {
                    id_: min(
                        row_text(mask_columns(rows[place], tree), MAX_SAMPLE_TEXT)
                        for place in places[id_]
                    )
                    for id_ in first_ids(places)
                }
            )
    tallies.passed = len(rows) - len(bad)
    return tallies


def _id_text(id_: bytes) -> str:
    return id_.decode("utf-8", "backslashreplace")[:MAX_ID_TEXT]
