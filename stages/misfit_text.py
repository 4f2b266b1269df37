"""In which words is it said that two JSON Schemas do not fit?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from farandole.stages.json_schema_compatibility import Misfit

if not __name__.startswith("farandole."):
    raise ImportError("stages.misfit_text is a part of farandole: import farandole.stages")

_MAX_MISFITS = 3  # misfits in one sentence; the rest is counted
Fields = Mapping[str, Any]


def render_misfit(misfit: Misfit) -> str:
    """Return the text of one misfit, such as `field 'cents' is missing`."""
    subject = f"field {misfit.path!r}" if misfit.path else "the event"
    return f"{subject} {MISFIT_TEXTS[misfit.code](misfit.fields)}"


def misfit_summary(misfits: Sequence[Misfit]) -> str:
    """Return the text of the first misfits, and how many more there are."""
    rest = len(misfits) - _MAX_MISFITS
    more = f" and {rest} more" if rest > 0 else ""
    return ", ".join(map(render_misfit, misfits[:_MAX_MISFITS])) + more


MISFIT_TEXTS: Mapping[str, Callable[[Fields], str]] = {
    "wrong_type": lambda f: f"is {f['writes']}, not {' or '.join(f['takes']) or 'anything'}",
    "missing": lambda f: f"{'is' if f['never'] else 'may be'} missing",
    "forbidden": lambda _: "is forbidden",
    "more_fields_forbidden": lambda _: "may have more fields, which are forbidden",
    "too_few": lambda f: f"may have less than {f['limit']} {f['unit']}",
    "too_many": lambda f: f"may have more than {f['limit']} {f['unit']}",
    "equal_items": lambda _: "may have equal items",
    "value_not_allowed": lambda f: f"may be {f['value']!r}, which is not allowed",
    "not_enumerated": lambda f: (
        f"may be any {f['type']}, not {', '.join(map(repr, f['allowed'][:3]))}"
        f"{', …' if len(f['allowed']) > 3 else ''} alone"
    ),
    "pattern": lambda f: f"may not match {f['pattern']!r}",
    "format": lambda f: f"is {f['writes'] or 'any text'}, not {f['takes']}",
    "content": lambda f: f"is any text, not {f['takes']}",
    "below": lambda f: (
        f"may be {f['limit']} or less" if f["exclusive"] else f"may be less than {f['limit']}"
    ),
    "above": lambda f: (
        f"may be {f['limit']} or more" if f["exclusive"] else f"may be more than {f['limit']}"
    ),
    "not_multiple": lambda f: f"may be no multiple of {f['step']}",
}
