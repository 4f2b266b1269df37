"""How does pydantic read and write numbers, digit for digit and only those that JSON has?

By itself it reads every number with a fraction as a float, writes a `Decimal` as text, and writes
NaN and Infinity as null. The readers and writers here are built from the same schemas with these
parts changed. A schema in which nothing has to be changed is left to pydantic.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import (
    PydanticSerializationUnexpectedValue,
    SchemaSerializer,
    SchemaValidator,
    from_json,
)

Schema = dict[str, Any]
Change = Callable[[Schema, Mapping[str, Any]], Schema]
"""Takes a schema of pydantic's core and the configuration that applies to it; returns the changed
schema."""

# Nobody can write text with this mark: it is made anew in each process. It has no letters, whose
# case a model may change, and is no base64.
_MARK = f"~{secrets.randbits(128)}~"
_MARKED = re.compile(rb'"%b([^"]*)"(:?)' % _MARK.encode())
_FRACTION = re.compile(rb"\d[.eE]")
_STRING_OR_NUMBER = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?')

_SCHEMA_KEYS = frozenset((
    "arguments_schema", "choices", "computed_fields", "definitions", "extras_schema", "fields",
    "items_schema", "json_schema", "keys_schema", "lax_schema", "python_schema", "return_schema",
    "schema", "steps", "strict_schema", "values_schema",
))  # fmt: skip
_CONTAINERS = frozenset((
    "arguments", "arguments-v3", "call", "chain", "computed-field", "counter", "custom-error",
    "dataclass", "dataclass-args", "dataclass-field", "default", "definition-ref", "definitions",
    "deque", "dict", "frozendict", "frozenset", "function-after", "generator", "json-or-python",
    "lax-or-strict", "list", "model", "model-field", "model-fields", "named-tuple",
    "named-tuple-field", "nullable", "ordered-dict", "set", "tagged-union", "tuple", "typed-dict",
    "typed-dict-field", "union",
))  # fmt: skip
_MAY_BE_NUMBERS = frozenset((
    "bool", "complex", "date", "datetime", "decimal", "enum", "float", "fraction",
    "function-before", "function-plain", "function-wrap", "int", "literal", "none", "time",
    "timedelta", "url", "uuid",
))  # fmt: skip
_FINITE = _CONTAINERS | {
    "bool", "bytes", "date", "datetime", "decimal", "int", "literal", "missing-sentinel",
    "multi-host-url", "none", "str", "time", "timedelta", "url", "uuid",
}  # fmt: skip


class NotFiniteError(ValueError):
    """A value cannot be written, because JSON has no such number; the message names the field."""


class _WrittenFloat(float):
    """A float that knows how it was written, for validators of a user in front of a Decimal."""

    def __new__(cls, text: str) -> _WrittenFloat:
        made = super().__new__(cls, text)
        made._text = text
        return made

    _text: str

    def __str__(self) -> str:
        return self._text


def number_reader(adapter: TypeAdapter[Any]) -> Callable[[bytes], Any]:
    """Return what validates JSON. It raises pydantic's ValidationError, also for numbers that a
    float cannot hold."""
    schema, kinds = adapter.core_schema, _kinds(adapter.core_schema)
    if kinds <= _FINITE:
        read: Callable[[bytes], Any] = adapter.validator.validate_json
    else:
        schema = _changed(schema, _only_finite, {})
        read = SchemaValidator(schema, _use_prebuilt=False).validate_json
    if "decimal" not in kinds or _has_custom_init(schema):
        return read
    read_marked = SchemaValidator(
        _changed(schema, _takes_marked, {}), _use_prebuilt=False
    ).validate_json

    def read_exactly(raw: bytes) -> Any:
        if _FRACTION.search(raw) is None:
            return read(raw)
        marked = _STRING_OR_NUMBER.sub(_mark_inexact, raw)
        if marked == raw:
            return read(raw)
        try:
            return read_marked(marked)
        except ValidationError:
            # Raises the error with the place in the text as it is. What is refused only for its
            # marks, by a class that pydantic does not know, is read as pydantic reads it.
            return read(raw)

    return read_exactly


def number_writer(adapter: TypeAdapter[Any], *, decimals_are_numbers: bool) -> Callable[..., bytes]:
    """Return what writes a value as JSON, with the arguments of pydantic's `to_json`. It raises
    PydanticSerializationError and NotFiniteError. With `decimals_are_numbers` a `Decimal` is a JSON
    number; otherwise it is text, as release 0.1 wrote it."""
    kinds = _kinds(adapter.core_schema)
    has_decimals = decimals_are_numbers and "decimal" in kinds
    if kinds <= _FINITE and not has_decimals:
        write: Callable[..., bytes] = adapter.serializer.to_json
        return write
    schema = _changed(adapter.core_schema, _says_constants, {})
    if has_decimals:
        schema = _changed(schema, _marks_decimals, {})
    config: Any = {"ser_json_inf_nan": "constants"}
    write_marked = SchemaSerializer(schema, config, _use_prebuilt=False).to_json

    def write_exactly(value: Any, **options: Any) -> bytes:
        written = write_marked(value, **options)
        if has_decimals:
            written = _MARKED.sub(_unmark, written)
        require_finite(written)
        return written

    return write_exactly


def require_finite(written: bytes) -> None:
    """Raise NotFiniteError if pydantic has written NaN or an infinity."""
    if b"NaN" not in written and b"Infinity" not in written:
        return
    for path, value in _leaves(from_json(written), ()):
        if isinstance(value, float) and not math.isfinite(value):
            name = ".".join(map(str, path)) or "its result"
            raise NotFiniteError(f"{name}: JSON has no number for {value}")


def _leaves(value: Any, path: tuple[object, ...]) -> Iterator[tuple[tuple[object, ...], Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _leaves(part, (*path, index))
    else:
        yield path, value


# -- changes of a schema


def _changed(schema: Any, change: Change, config: Mapping[str, Any]) -> Any:
    """Return a copy of a schema in which each part is changed."""
    config = schema.get("config", config)
    inside = {
        key: _changed_inside(value, change, config) if key in _SCHEMA_KEYS else value
        for key, value in schema.items()
    }
    return change(inside, config)


def _changed_inside(value: Any, change: Change, config: Mapping[str, Any]) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_changed_inside(each, change, config) for each in value)
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            return _changed(value, change, config)
        return {name: _changed_inside(each, change, config) for name, each in value.items()}
    return value  # the name of a choice


def _kinds(schema: Any) -> set[str]:
    found: set[str] = set()

    def note(part: Schema, config: Mapping[str, Any]) -> Schema:
        found.add(part["type"])
        if "allow" in (part.get("extra_behavior"), config.get("extra_fields_behavior")):
            found.add("any")
        return part

    _changed(schema, note, {})
    return found


def _has_custom_init(schema: Any) -> bool:
    """Return True if a class is made by an `__init__` of its own, which gets what was read before
    its parts are validated."""
    found: list[object] = []

    def note(part: Schema, _: Mapping[str, Any]) -> Schema:
        found.append(part.get("custom_init"))
        return part

    _changed(schema, note, {})
    return any(found)


def _only_finite(part: Schema, config: Mapping[str, Any]) -> Schema:
    """A float takes neither NaN nor infinities, unless they are text in the model's JSON."""
    if config.get("ser_json_inf_nan") == "strings":
        return part
    if part["type"] == "float":
        return {**part, "allow_inf_nan": False}
    if part["type"] == "any":
        return _after(part, _require_finite_data)
    allows_extras = part.get("extra_behavior", config.get("extra_fields_behavior")) == "allow"
    if part["type"] in ("model-fields", "typed-dict") and allows_extras:
        return {"extras_schema": _after({"type": "any"}, _require_finite_data), **part}
    return part


def _require_finite_data(value: Any) -> Any:
    for path, each in _leaves(value, ()):
        if isinstance(each, float) and not math.isfinite(each):
            where = f" at {'.'.join(map(str, path))}" if path else ""
            raise ValueError(f"a number that a float can hold is needed{where}, not {each}")
    return value


def _takes_marked(part: Schema, _: Mapping[str, Any]) -> Schema:
    kind = part["type"]
    if kind == "any":
        return _after(part, _unmarked_data)
    if kind in ("str", "bytes"):
        return _after(part, _refuse_marked)
    if kind not in _MAY_BE_NUMBERS:
        return part
    number: Callable[[str], Any] = float
    if kind == "decimal":
        number = _as_decimal
    elif kind.startswith("function-"):
        number = _WrittenFloat
    # Not the function alone: behind it, pydantic would no longer read JSON but Python.
    inner = {key: value for key, value in part.items() if key != "ref"}
    marked = _with_function("function-before", inner, lambda value: number(_marked_text(value)))
    choices = {"type": "union", "mode": "left_to_right", "choices": [marked, inner]}
    return choices | ({"ref": part["ref"]} if "ref" in part else {})


def _marked_text(value: Any) -> str:
    if isinstance(value, str) and value.startswith(_MARK):
        return value.removeprefix(_MARK)
    raise ValueError("it is not marked")


def _as_decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError("its exponent is too large") from None


def _unmarked_data(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unmarked_data(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_unmarked_data(each) for each in value]
    is_marked = isinstance(value, str) and value.startswith(_MARK)
    return float(value.removeprefix(_MARK)) if is_marked else value


def _refuse_marked(value: str | bytes) -> str | bytes:
    text = value if isinstance(value, str) else value.decode(errors="replace")
    if text.startswith(_MARK):
        raise ValueError("a number is no text")
    return value


def _after(part: Schema, function: Callable[[Any], Any]) -> Schema:
    return _with_function("function-after", part, function)


def _with_function(kind: str, part: Schema, function: Callable[[Any], Any]) -> Schema:
    return {"type": kind, "function": {"type": "no-info", "function": function}, "schema": part}


def _says_constants(part: Schema, _: Mapping[str, Any]) -> Schema:
    """Write NaN and infinities by name, where a model does not say how they are written."""
    if "config" not in part:
        return part
    return {**part, "config": {"ser_json_inf_nan": "constants", **part["config"]}}


def _marks_decimals(part: Schema, _: Mapping[str, Any]) -> Schema:
    if part["type"] != "decimal" or "serialization" in part:
        return part
    marked = {
        "type": "function-plain",
        "function": _marked_decimal,
        "when_used": "json",
        "return_schema": {"type": "str"},
    }
    return {**part, "serialization": marked}


def _marked_decimal(value: Any) -> str:
    if not isinstance(value, Decimal):  # another member of a union takes it
        raise PydanticSerializationUnexpectedValue(f"{type(value).__name__} is no Decimal")
    return f"{_MARK}{value}"


# -- marks in JSON


def _mark_inexact(found: re.Match[bytes]) -> bytes:
    """Return a number as marked text, if a float cannot hold it as it is written."""
    token = found[0]
    if token.startswith(b'"') or not _FRACTION.search(token):
        return token
    if re.fullmatch(rb"-?\d+\.\d*[1-9]", token) and repr(float(token)).encode() == token:
        return token  # pydantic makes the Decimal of this text
    return b'"%b%b"' % (_MARK.encode(), token)


def _unmark(found: re.Match[bytes]) -> bytes:
    # The key of an object stays text.
    return b'"%b":' % found[1] if found[2] else found[1]
