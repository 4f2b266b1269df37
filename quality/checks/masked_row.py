"""What of a row may be shown, if some of its columns are personal?

What may be personal counts as personal: a value that is no object where a personal column would be
inside is masked as well.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Union

from farandole.events.personal_data_masking import PERSONAL_MASK
from farandole.quality.checks.row_column import ColumnPath, parse_column

ColumnTree = Mapping[str, Union["ColumnTree", None]]
"""By field, the columns inside it; None for a field that is one of them as a whole."""


def column_tree(columns: Collection[str]) -> ColumnTree:
    """Return the tree of some columns. Raise ValueError for what is no path of a field."""
    tree: dict[str, Any] = {}
    for path in sorted(map(parse_column, columns), key=len):
        place: Any = tree
        for field in path[:-1]:
            place = place.setdefault(field, {})
            if place is None:  # what contains it is personal
                break
        else:
            place[path[-1]] = None
    return tree


def may_be_personal(path: ColumnPath, personal: ColumnTree) -> bool:
    """Return True if a value of a column may hold something personal."""
    place: ColumnTree | None = personal
    for field in path:
        if not place:
            return place is None
        if field not in place:
            return False
        place = place[field]
    return place is None or bool(place)


def mask_columns(row: Any, personal: ColumnTree | None) -> Any:
    """Return the row with `•••` for each value that may be personal. What is not is shared, not
    copied."""
    if personal is None:
        return PERSONAL_MASK
    if not personal or row is None:
        return row
    if type(row) is not dict:
        return PERSONAL_MASK
    return {
        field: mask_columns(value, personal[field]) if field in personal else value
        for field, value in row.items()
    }
