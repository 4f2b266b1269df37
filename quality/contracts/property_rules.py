"""Which rules does the description of a property in a contract imply?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from farandole.quality.contracts.expressions import unless_null
from farandole.quality.contracts.found_checks import NotExpressibleError
from farandole.quality.contracts.library_rules import scalars
from farandole.quality.contracts.patterns import whole_pattern

_IGNORED: Mapping[str, tuple[str, ...]] = {"integer": ("format",), "number": ("format",)}
"""Options that say how a value is stored, by logical type."""


class PropertyRule(NamedTuple):
    """A rule that a key of the description implies."""

    key: str
    suffix: str
    """The end of the check's name."""
    settings: dict[str, Any] | None
    """Those of the check; None if there is none."""
    why: str = ""
    """Why there is none."""


def property_rules(
    given: Mapping[str, Any], column: str, *, is_key: bool
) -> Iterator[PropertyRule]:
    """Yield the rules of a property. `is_key`: it alone is the primary key."""
    for key, rule in (("required", "not-null"), ("unique", "unique")):
        if given.get(key) is True or is_key:
            written = key if given.get(key) is True else "primaryKey"
            yield PropertyRule(written, key, {"rule": rule, "column": column})
    if isinstance(values := given.get("enum"), list):
        allowed = [each.get("value") if isinstance(each, Mapping) else each for each in values]
        yield _values("enum", column, allowed)
    options = given.get("logicalTypeOptions")
    if not isinstance(options, Mapping):
        return
    kind = str(given.get("logicalType") or "")
    left = {str(name): value for name, value in options.items() if value is not None}
    match kind:
        case "string":
            yield from _bounds(left, "length", column, "minLength", "maxLength")
            if isinstance(left.get("pattern"), str):
                yield _pattern("pattern", column, left.pop("pattern"))
        case "integer" | "number":
            yield from _exclusive_bounds(left, column, whole=kind == "integer")
            yield from _bounds(left, "range", column, "minimum", "maximum")
        case "array":
            for name, sign in (("minItems", ">="), ("maxItems", "<=")):
                if type(left.get(name)) is int:
                    yield _expression(name, column, f"size({{}}) {sign} {left.pop(name)}")
    for name in left:
        if name not in _IGNORED.get(kind, ()):
            yield PropertyRule(name, "", None, "no rule of a check says that")


def _bounds(
    left: dict[str, Any], rule: str, column: str, least: str, most: str
) -> Iterator[PropertyRule]:
    bounds = {
        key: left.pop(name)
        for key, name in (("min", least), ("max", most))
        if type(left.get(name)) in (int, float)
    }
    if bounds:
        named = least if "min" in bounds else most
        yield PropertyRule(named, rule, {"rule": rule, "column": column, **bounds})


def _exclusive_bounds(left: dict[str, Any], column: str, *, whole: bool) -> Iterator[PropertyRule]:
    """Yield the rules of bounds that are not allowed themselves. Of whole numbers such a bound
    becomes the next one that is, in `left`. In version 3.0 the key only says that the other bound
    is not allowed."""
    for name, plain, sign, step in (
        ("exclusiveMinimum", "minimum", ">", 1),
        ("exclusiveMaximum", "maximum", "<", -1),
    ):
        written = left.pop(name, False)
        bound: Any = left.pop(plain, None) if written is True else written
        if bound is False or bound is None:
            continue
        if whole and type(bound) is int and plain not in left:
            left[plain] = bound + step
        elif type(bound) in (int, float):
            yield _expression(name, column, f"{{}} {sign} {bound!r}")
        else:
            left[name] = bound


def _values(key: str, column: str, values: list[Any]) -> PropertyRule:
    try:
        settings = {"rule": "one-of", "column": column, "values": scalars(values)}
    except NotExpressibleError as error:
        return PropertyRule(key, "", None, str(error))
    return PropertyRule(key, "values", settings)


def _pattern(key: str, column: str, pattern: str) -> PropertyRule:
    try:
        settings = {"rule": "pattern", "column": column, "matches": whole_pattern(pattern)}
    except NotExpressibleError as error:
        return PropertyRule(key, "", None, str(error))
    return PropertyRule(key, "pattern", settings)


def _expression(key: str, column: str, condition: str) -> PropertyRule:
    try:
        settings = {"rule": "expression", "holds": unless_null(column, condition)}
    except NotExpressibleError as error:
        return PropertyRule(key, "", None, str(error))
    return PropertyRule(key, key, settings)
