"""Which columns does a profile have, and what are they called?

A field of an object is a column, named by its path: `address.city`. A dot or a backslash in a field
itself has a backslash before it.

Of the names only the first MAX_COLUMNS in their order are kept: what is among the first of all rows
is among them in every part of the rows as well, so this does not depend on order and grouping.
"""

from __future__ import annotations

MAX_COLUMNS = 200
MAX_DEPTH = 4
"""Names in a path: an object in the last one is not opened."""
MAX_NAME = 100
"""Characters of a path; a longer one is left out."""


def field_path(field: str, prefix: str = "") -> str:
    """Return the path of a field, in the object of which the prefix is the path and a dot."""
    if "." in field or "\\" in field:
        field = field.replace("\\", "\\\\").replace(".", "\\.")
    return prefix + field


def is_personal(path: str, personal: frozenset[str]) -> bool:
    """Return True if a column, or an object that contains it, is among the personal ones."""
    return path in personal or any(path.startswith(f"{each}.") for each in personal)
