"""How is each value of a topology file written, and what does it mean?

Each function reads what the YAML parser gives it and returns the value for the model. It raises
PydanticCustomError with a message and a remedy if the value is written wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from farandole.events.daily_window import ClockError, parse_daily_time, parse_window
from farandole.events.file_keys import FileKey, ValueKind, value_bounds
from farandole.events.incident_severity import IncidentSeverity
from farandole.events.rate import RateError, parse_rate, parse_rate_rule
from farandole.events.topology_version import AT_LEAST_ONCE, Sensitivity

FILE_VALUE_ERROR = "file_value"
"""The type of the errors of this module, among pydantic's own."""

DURATION_PATTERN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MIN_PROFILE_SECONDS = 60.0
PACKAGE_PATTERN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
SHARE_PATTERN = re.compile(r"(100(?:\.0+)?|[0-9]{1,2}(?:\.[0-9]+)?)%")
FUNCTION_PATTERN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def value_error(message: str, remedy: str) -> PydanticCustomError:
    """Return the error about a value that is written wrongly."""
    return PydanticCustomError(
        FILE_VALUE_ERROR, "{message}", {"message": message, "remedy": remedy}
    )


def parse_duration(written: object) -> float:
    """Return the seconds of `200ms`, `30s`, `5m`, `2h` or `7d`. Raises PydanticCustomError."""
    match = DURATION_PATTERN.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        shown = written if isinstance(written, str | int | float) else type(written).__name__
        raise value_error(f"{shown!r} is no duration", "write for example 200ms, 30s, 5m, 2h or 7d")
    return round(float(match[1]) * _SECONDS[match[2]], 6)


def parse_positive_duration(written: object) -> float:
    """Return the seconds of a duration that is longer than 0. Raises PydanticCustomError."""
    length = parse_duration(written)
    if length <= 0:
        raise value_error("the duration is 0", "write one that is longer, for example 30s")
    return length


def parse_share(written: object) -> float:
    """Return `1%` or `0.5%` as a part of 1. Raises PydanticCustomError."""
    match = SHARE_PATTERN.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        shown = written if isinstance(written, str | int | float) else type(written).__name__
        raise value_error(f"{shown!r} is no share", "write for example 1%, 0.5% or 0%")
    return round(float(match[1]) / 100, 9)


def parse_rule_text(written: object) -> str:
    """Return `1000/s`, a ramp or a rate with a window, as versions write it. Raises
    PydanticCustomError."""
    try:
        return str(parse_rate_rule(written))
    except RateError as error:
        raise value_error(error.message, error.remedy) from None


def parse_rate_text(written: object) -> str:
    """Return `10/s`, as versions write it. Raises PydanticCustomError."""
    try:
        return str(parse_rate(written))
    except RateError as error:
        raise value_error(error.message, error.remedy) from None


def check_key_rate(written: object) -> str:
    """Return the rate for each key. Raises PydanticCustomError."""
    text = parse_rate_text(written)
    if text == "0":
        raise value_error(
            "a rate of 0 for each key would park every event", "to stop the stage, write rate: 0"
        )
    return text


def check_call_rate(written: object) -> str:
    """Return the rate of calls of a dependency. Raises PydanticCustomError."""
    text = parse_rule_text(written)
    if parse_rate_rule(text).unit == "lines":
        raise value_error("a limit counts calls, not lines", f"write {text.replace(' lines', '')}")
    return text


def normalize_throttle(written: object) -> object:
    """Return a throttle as a mapping: a rate alone is that of all lanes together."""
    if isinstance(written, dict):
        if all(value is None for value in written.values()):
            raise value_error("the throttle has no rate", "write for example 1000/s")
        return written
    return None if written is None else {"rate": parse_rule_text(written)}


def parse_profile_period(written: object) -> float | None:
    """Return the seconds of a window; None for `run`. Raises PydanticCustomError."""
    if written is None or written == "run":
        return None
    length = parse_duration(written)
    if length < MIN_PROFILE_SECONDS:
        raise value_error(
            f"{written} is too short for a profile",
            "write `run`, or a time from 1m on, such as 10m",
        )
    return length


def normalize_profile(written: object) -> object:
    """Return the section of a profile; None for `false`. `true` is one for each run."""
    if written is True:
        return {}
    return None if written is False else written


def check_bound(written: object) -> object:
    """Return a number. Raises PydanticCustomError."""
    if type(written) is int or (type(written) is float and isfinite(written)):
        return written
    shown = written if isinstance(written, str | int | float) else type(written).__name__
    raise value_error(f"{shown!r} is no number", "write for example 0 or 0.5, without quotes")


def check_scalars(written: object) -> object:
    scalars = str | int | float | None
    if isinstance(written, list) and written and all(isinstance(v, scalars) for v in written):
        for value in written:
            if isinstance(value, float):
                check_bound(value)
        return tuple(written)
    raise value_error(
        "this is no list of values", "write the values that are allowed: `values: [red, green]`"
    )


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
        raise value_error(
            f"one item of the list is a mapping of {len(written)} keys",
            "write an item for each event type: `- line.read: {when: ...}`",
        )
    return written


def check_condition(written: object) -> object:
    if not isinstance(written, str) or not written.strip():
        raise value_error(
            "`when:` holds no expression", 'write for example `when: "data.quantity > 0"`'
        )
    return written


def check_holds(written: object) -> object:
    if not isinstance(written, str) or not written.strip():
        raise value_error(
            "`holds:` is no expression", 'write for example `holds: "data.quantity > 0"`'
        )
    return written


def check_routes(written: object) -> object:
    if not isinstance(written, list):
        raise value_error(
            "`routes:` is no list",
            "begin each route with a dash: `- {stages: load, email: dba@example.com}`",
        )
    return tuple(written)


def check_steps(written: object) -> object:
    if not isinstance(written, list):
        raise value_error(
            "`escalate:` is no list", "begin each step with a dash: `- {after: 5m, email: …}`"
        )
    return tuple(written)


def check_daily_time(written: object) -> str:
    """Return a time of day with its zone, `09:00 Europe/Berlin`. Raises PydanticCustomError."""
    try:
        parse_daily_time(written if isinstance(written, str) else str(written))
    except ClockError as error:
        raise value_error(error.message, error.remedy) from None
    return str(written)


def check_quiet_hours(written: object) -> str:
    """Return a time from and to, `22:00-06:00 Europe/Berlin`. Raises PydanticCustomError."""
    try:
        parse_window(written if isinstance(written, str) else str(written))
    except ClockError as error:
        raise value_error(error.message, error.remedy) from None
    return str(written)


def check_package(written: str) -> str:
    if not isinstance(written, str) or not PACKAGE_PATTERN.fullmatch(written):
        raise value_error(f"{written!r} is no package", "write for example `stages.order_lines`")
    return written


def check_function(written: str) -> str:
    if not isinstance(written, str) or not FUNCTION_PATTERN.fullmatch(written):
        raise value_error(f"{written!r} names no function", "write `package.module:function`")
    return written


def check_external(written: object) -> object:
    if isinstance(written, bool) or written == AT_LEAST_ONCE:
        return written
    raise value_error(
        f"{written!r} says nothing about a program",
        f"write `true`, or `{AT_LEAST_ONCE}` if it has no transactions (docs/wire.md)",
    )


def check_declared_schema(written: object) -> object:
    if isinstance(written, str) and written.endswith(".json"):
        return written
    if isinstance(written, dict) and written:
        return written
    raise value_error(
        "this is neither a JSON Schema nor the name of a .json file with one",
        "write for example schemas/line.json, or {type: object, properties: …}",
    )


Duration = Annotated[float, BeforeValidator(parse_duration)]
PositiveDuration = Annotated[float, BeforeValidator(parse_positive_duration)]
Share = Annotated[float, BeforeValidator(parse_share)]
RateRuleText = Annotated[str, BeforeValidator(parse_rule_text)]
KeyRateText = Annotated[str, BeforeValidator(check_key_rate)]
CallRateText = Annotated[str, BeforeValidator(check_call_rate)]
DailyTimeText = Annotated[str, BeforeValidator(check_daily_time)]
QuietHoursText = Annotated[str, BeforeValidator(check_quiet_hours)]
SeverityList = Annotated[
    tuple[IncidentSeverity, ...], BeforeValidator(as_tuple), Field(min_length=1)
]
EventTypeList = Annotated[tuple[str, ...], BeforeValidator(as_tuple)]
WordList = Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)]
SubscribedType = Annotated[str, BeforeValidator(check_subscribed_type)]
ProfilePeriod = Annotated[float | None, BeforeValidator(parse_profile_period)]
Bound = Annotated[int | float, BeforeValidator(check_bound)]
CheckValues = Annotated[tuple[str | int | float | bool | None, ...], BeforeValidator(check_scalars)]
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
    "sensitivity": Sensitivity,
    "daily_times": Annotated[
        tuple[DailyTimeText, ...], BeforeValidator(as_tuple), Field(min_length=1)
    ],
}


def key_type(key: FileKey, published: FieldInfo) -> Any:
    """Return the annotation of a key's value. `published` is the field of the version that the key
    sets: a whole number has the same bounds in the file."""
    if key.kind != "integer":
        return _TYPES[key.kind]
    limit = () if key.maximum is None else (Field(le=key.maximum),)
    return Annotated[(int, *value_bounds(published), *limit)]
