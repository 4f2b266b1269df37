"""How is each value of a topology file written, and what does it mean?

Each function reads what the YAML parser gives it and returns the value for the model. It raises
PydanticCustomError with a message and a remedy if the value is written wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from farandole.events.file_keys import FileKey, ValueKind, value_bounds
from farandole.events.topology_version import AT_LEAST_ONCE

FILE_VALUE_ERROR = "file_value"
"""The type of the errors of this module, among pydantic's own."""

DURATION_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PACKAGE_PATTERN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
SHARE_PATTERN = re.compile(r"(100(?:\.0+)?|[0-9]{1,2}(?:\.[0-9]+)?)%")
FUNCTION_PATTERN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def _value_error(message: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError(
        FILE_VALUE_ERROR, "{message}", {"message": message, "remedy": remedy}
    )


def parse_duration(written: object) -> float:
    """Return the seconds of `200ms`, `30s`, `5m`, `2h` or `7d`. Raises PydanticCustomError."""
    match = DURATION_PATTERN.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        shown = written if isinstance(written, str | int | float) else type(written).__name__
        raise _value_error(
            f"{shown!r} is no duration", "write for example 200ms, 30s, 5m, 2h or 7d"
        )
    return round(float(match[1]) * _SECONDS[match[2]], 6)


def parse_positive_duration(written: object) -> float:
    """Return the seconds of a duration that is longer than 0. Raises PydanticCustomError."""
    length = parse_duration(written)
    if length <= 0:
        raise _value_error("the duration is 0", "write one that is longer, for example 30s")
    return length


def parse_share(written: object) -> float:
    """Return `1%` or `0.5%` as a part of 1. Raises PydanticCustomError."""
    match = SHARE_PATTERN.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        shown = written if isinstance(written, str | int | float) else type(written).__name__
        raise _value_error(f"{shown!r} is no share", "write for example 1%, 0.5% or 0%")
    return round(float(match[1]) / 100, 9)


def as_tuple(written: object) -> object:
    if isinstance(written, str):
        return (written,)
    return tuple(written) if isinstance(written, list) else written


def empty_if_none(written: object) -> object:
    return {} if written is None else written  # `feed.requested:` without a value declares it


def normalize_subscriptions(written: object) -> object:
    """Return pairs of an event type and its settings. Written is a name, a list of names and of
    `{name: settings}`, or a mapping `name: settings`."""
    if isinstance(written, str):
        return ((written, {}),)
    if isinstance(written, dict):
        return tuple(written.items())
    if isinstance(written, list):
        return tuple(_subscription_pair(item) for item in written)
    return written


def _subscription_pair(item: object) -> tuple[object, object]:
    if isinstance(item, dict) and len(item) == 1:
        return next(iter(item.items()))
    return item, {}


def check_subscribed_type(written: object) -> object:
    if isinstance(written, dict):
        raise _value_error(
            f"one item of the list is a mapping of {len(written)} keys",
            "write an item for each event type: `- line.read: {when: ...}`",
        )
    return written


def check_condition(written: object) -> object:
    if not isinstance(written, str) or not written.strip():
        raise _value_error(
            "`when:` holds no expression", 'write for example `when: "data.quantity > 0"`'
        )
    return written


def check_routes(written: object) -> object:
    if not isinstance(written, list):
        raise _value_error(
            "`routes:` is no list",
            "begin each route with a dash: `- {stages: load, email: dba@example.com}`",
        )
    return tuple(written)


def check_package(written: str) -> str:
    if not isinstance(written, str) or not PACKAGE_PATTERN.fullmatch(written):
        raise _value_error(f"{written!r} is no package", "write for example `stages.order_lines`")
    return written


def check_function(written: str) -> str:
    if not isinstance(written, str) or not FUNCTION_PATTERN.fullmatch(written):
        raise _value_error(f"{written!r} names no function", "write `package.module:function`")
    return written


def check_external(written: object) -> object:
    if isinstance(written, bool) or written == AT_LEAST_ONCE:
        return written
    raise _value_error(
        f"{written!r} says nothing about a program",
        f"write `true`, or `{AT_LEAST_ONCE}` if it has no transactions (docs/wire.md)",
    )


def check_declared_schema(written: object) -> object:
    if isinstance(written, str) and written.endswith(".json"):
        return written
    if isinstance(written, dict) and written:
        return written
    raise _value_error(
        "this is neither a JSON Schema nor the name of a .json file with one",
        "write for example schemas/line.json, or {type: object, properties: …}",
    )


Duration = Annotated[float, BeforeValidator(parse_duration)]
PositiveDuration = Annotated[float, BeforeValidator(parse_positive_duration)]
Share = Annotated[float, BeforeValidator(parse_share)]
EventTypeList = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
WordList = Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)]
SubscribedType = Annotated[str, BeforeValidator(check_subscribed_type)]
Partitions = Annotated[int, Field(ge=1, le=1000)]

_TYPES: Mapping[ValueKind, Any] = {
    "duration": Duration,
    "positive_duration": PositiveDuration,
    "positive_durations": Annotated[
        tuple[PositiveDuration, ...], BeforeValidator(as_tuple), Field(min_length=1)
    ],
    "share": Share,
    "integer": int,
    "flag": bool,
    "error_names": WordList,
}


def key_type(key: FileKey, published: FieldInfo) -> Any:
    """Return the annotation of a key's value. `published` is the field of the version that the key
    sets: a whole number has the same bounds in the file."""
    if key.kind != "integer":
        return _TYPES[key.kind]
    limit = () if key.maximum is None else (Field(le=key.maximum),)
    return Annotated[(int, *value_bounds(published), *limit)]
