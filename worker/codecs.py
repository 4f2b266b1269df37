"""How do bytes become the argument of a stage's function, and its results bytes?

Everything that depends on the kind of an annotation is in its codec: how values are read, written,
recognised and counted, and how their key is read. `codec_for` picks the first factory in
`FACTORIES` that supports the annotation; another kind of data (msgspec structs, Arrow frames) is
one more factory."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping, Sized
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, Protocol

from pydantic import PlainSerializer, TypeAdapter, ValidationError, WrapSerializer
from pydantic_core import PydanticSerializationError

from farandole.events.envelope import UnreadableEventError
from farandole.events.event_key import JSON_KEYS, event_key, python_key
from farandole.events.json_text import parse_json, rewrite_json
from farandole.events.topology_version import Version
from farandole.stages import json_schema
from farandole.stages.function_signature import StageSignature
from farandole.worker.exact_numbers import (
    NotFiniteError,
    number_reader,
    number_writer,
    require_finite,
)

_MAX_ERRORS_SHOWN = 3
DECIMAL_NUMBERS = 2
"""The first format of versions under which a Decimal is written as a JSON number, not as text."""
_JSON_CLASSES = (dict, list, str, int, float, bool, type(None))


class InvalidResultError(TypeError):
    """The function returned something that its annotation does not allow."""

    published_name = "WrongResult"


class Codec(Protocol):
    """Reads and writes the values of one annotation.

    Decoders and encoders are built on demand, once per edge, and called for every event: they are
    bare functions of a C library wherever that is possible.
    """

    @property
    def classes(self) -> tuple[type, ...]:
        """The classes by which a result is recognised; empty if it can only be recognised because
        no other output takes it (a TypedDict)."""

    def decoder(self) -> Callable[[bytes], Any]:
        """Return what reads a record's value. It raises UnreadableEventError, or an error that
        `as_stage_error` turns into that."""

    def encoder(self, version_format: int) -> Callable[[Any], bytes]:
        """Return what writes a result under a version of this format. It raises InvalidResultError,
        or an error that `as_stage_error` turns into that."""

    def count_rows(self, value: Any) -> int:
        """Return the number of lines in an event whose data are a list."""

    def key_reader(self, key: str, version_format: int) -> Callable[[Any], bytes | None]:
        """Return what reads the key of a result from the field that its JSON calls `key`, under a
        version of this format. It returns None if the field is absent or null."""


class PassedEvent(NamedTuple):
    """What a pass-through returned for an event, and the JSON text of that event."""

    raw: bytes
    data: Any


def codec_for(annotation: Any) -> Codec:
    """Return the codec of an annotation."""
    return next(codec for factory in FACTORIES if (codec := factory(annotation)) is not None)


def input_decoder(signature: StageSignature) -> Callable[[bytes], Any]:
    """Return what reads the argument of a stage's function."""
    if signature.is_passthrough:
        return decode_json
    return codec_for(signature.input_schema).decoder()


def member_decoder(
    version: Version, event_type: str, signature: StageSignature
) -> Callable[[bytes], Any] | None:
    """Return what reads this event type, for a function that takes `A | B`, if its published schema
    is that of exactly one of them; otherwise None: pydantic picks the one that fits best."""
    if typing.get_origin(signature.input_schema) not in (typing.Union, types.UnionType):
        return None
    published = version.events[event_type].data_schema
    alike = [m for m in typing.get_args(signature.input_schema) if published in _json_schemas(m)]
    return codec_for(alike[0]).decoder() if published and len(alike) == 1 else None


def _json_schemas(schema: Any) -> list[Any]:
    try:
        return [json_schema.written_schema(schema), json_schema.accepted_schema(schema)]
    except json_schema.NoSchemaError:
        return []


class PassthroughCodec:
    """The events of a pass-through, any JSON: what it did not change keeps its text. With
    `keeps_bytes` nothing is changed."""

    classes: tuple[type, ...] = (PassedEvent,)

    def __init__(self, *, keeps_bytes: bool) -> None:
        self._keeps_bytes = keeps_bytes

    def decoder(self) -> Callable[[bytes], Any]:
        return decode_json

    def encoder(self, version_format: int) -> Callable[[Any], bytes]:
        return _raw_of if self._keeps_bytes else _encode_changed

    def count_rows(self, value: Any) -> int:
        return count_rows(value.data)

    def key_reader(self, key: str, version_format: int) -> Callable[[Any], bytes | None]:
        def data_of(value: PassedEvent) -> Any:
            return value.data if isinstance(value.data, dict) else {}

        if version_format < JSON_KEYS:
            return lambda value: python_key(value.data, key)
        return _json_key_reader(
            key, lambda value: data_of(value).get(key), self.encoder(version_format)
        )


class PydanticCodec:
    """Whatever pydantic can validate: models, dataclasses, TypedDicts, unions, lists."""

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self.classes = tuple(_classes_of(annotation))

    def decoder(self) -> Callable[[bytes], Any]:
        return number_reader(TypeAdapter(self._annotation))

    def encoder(self, version_format: int) -> Callable[[Any], bytes]:
        """Return what writes JSON with the aliases of fields, which are also read."""
        annotation = self._annotation
        adapter = TypeAdapter(annotation)
        write = number_writer(adapter, decimals_are_numbers=version_format >= DECIMAL_NUMBERS)
        if self.classes:
            # `by_alias` costs time for every event, so it is left out where there is no alias.
            return partial(write, by_alias=True) if _has_aliases(adapter) else write

        def encode(value: Any) -> bytes:
            try:
                return write(adapter.validate_python(value), by_alias=True)
            except ValidationError as error:
                raise InvalidResultError(
                    f"its result does not fit {annotation}: {_describe_validation(error)}"
                ) from None

        return encode

    def count_rows(self, value: Any) -> int:
        return count_rows(value)

    def key_reader(self, key: str, version_format: int) -> Callable[[Any], bytes | None]:
        field = _field_name(self.classes, key)
        are_models = bool(self.classes) and all(hasattr(c, "model_fields") for c in self.classes)
        if version_format < JSON_KEYS:
            return partial(python_key, field=field)
        encode = self.encoder(version_format)
        if not are_models or not all(_is_written_as_it_is(c, field) for c in self.classes):
            return lambda value: event_key(encode(value), key, version_format)
        return _json_key_reader(key, attrgetter(field), encode)


def _json_key_reader(
    key: str, value_of: Callable[[Any], Any], encode: Callable[[Any], bytes]
) -> Callable[[Any], bytes | None]:
    """Return what reads a key as it is in the JSON that `encode` writes, without writing it where
    the value in the field, `value_of`, is text or an integer."""

    def read(value: Any) -> bytes | None:
        found = value_of(value)  # this runs for every event
        if type(found) is int:
            return b"%d" % found
        if type(found) is str:
            return found.encode()
        return None if found is None else event_key(encode(value), key, JSON_KEYS)

    return read


def _is_written_as_it_is(model: Any, field: str) -> bool:
    """Return True if nothing changes the text of a field on its way into the JSON."""
    decorators, found = model.__pydantic_decorators__, model.model_fields.get(field)
    if decorators.field_serializers or decorators.model_serializers:
        return False
    if found is None:
        return False  # a computed field
    serializers = PlainSerializer | WrapSerializer
    return not any(isinstance(each, serializers) for each in found.metadata)


FACTORIES: tuple[Callable[[Any], Codec | None], ...] = (PydanticCodec,)
"""In the order in which they are tried. A factory returns None for an annotation that it does not
support; the last one supports all."""


def decode_json(raw: bytes) -> Any:
    """Return the JSON value in the bytes. Raises UnreadableEventError."""
    try:
        return parse_json(raw)
    except ValueError as error:
        raise UnreadableEventError(f"data: invalid JSON: {error}") from None


def count_rows(value: Any) -> int:
    """Return the number of lines in an event whose data are a list, or a model around one. Raises
    UnreadableEventError if they are neither."""
    rows = getattr(value, "root", value)
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Sized):
        raise UnreadableEventError(
            f"data: a {type(rows).__name__}, where the schema of the event is a list"
        )
    return len(rows)


def as_stage_error(error: BaseException) -> BaseException:
    """Return UnreadableEventError or InvalidResultError in place of pydantic's errors, and any
    other error as it is.

    A function may raise a ValidationError of its own; another try would not change that either.
    """
    if isinstance(error, ValidationError):
        return UnreadableEventError(_describe_validation(error))
    if isinstance(error, NotFiniteError):
        return InvalidResultError(str(error))
    if isinstance(error, PydanticSerializationError):
        return InvalidResultError(f"its result cannot be written as JSON: {error}")
    return error


def _describe_validation(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    reasons = [
        f"{'.'.join(str(part) for part in e['loc']) or 'data'}: {e['msg']}"
        for e in found[:_MAX_ERRORS_SHOWN]
    ]
    if len(found) > _MAX_ERRORS_SHOWN:
        reasons.append(f"and {len(found) - _MAX_ERRORS_SHOWN} more")
    return "; ".join(reasons)


_raw_of: Callable[[Any], bytes] = attrgetter("raw")


def _encode_changed(value: PassedEvent) -> bytes:
    if not isinstance(value.data, _JSON_CLASSES):
        raise InvalidResultError(
            f"it gave a {type(value.data).__name__}, where it says that it gives the event"
        )
    written = rewrite_json(value.raw, value.data)
    require_finite(written)
    return written


def _classes_of(annotation: Any) -> list[type]:
    """Return the classes of an annotation's values; none for a TypedDict and the like."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        inner = [_classes_of(member) for member in typing.get_args(annotation)]
        return [c for classes in inner for c in classes] if all(inner) else []
    try:
        isinstance(None, annotation)
    except TypeError:
        return []
    return [annotation]


def _field_name(classes: tuple[type, ...], key: str) -> str:
    """Return the attribute whose field is called `key` in the JSON of these classes."""
    for each in classes:
        for name, field in getattr(each, "model_fields", {}).items():
            if key == (field.serialization_alias or field.alias or name):
                return str(name)
    return key


def _has_aliases(adapter: TypeAdapter[Any]) -> bool:
    plain = adapter.json_schema(by_alias=False, mode="serialization")
    return plain != adapter.json_schema(by_alias=True, mode="serialization")
