"""How do bytes become a function's argument, and its results bytes?"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from farandole.events.envelope import UnreadableEventError
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.stages import json_schema as schemas
from farandole.stages.cel_expression import compile_expression
from farandole.stages.contract import To
from farandole.stages.function_signature import PARAMS_NAME, StageSignature
from farandole.stages.stage_parameters import build_parameters

_MAX_ERRORS_SHOWN = 3


class InvalidResultError(TypeError):
    """The function gave something that its annotation does not allow."""

    published_name = "WrongResult"


class UndeclaredOutputError(Exception):
    """The function gives more kinds of events than the version of this event knows: it is older
    than the code. Nobody subscribes to such a result there."""


@dataclass(frozen=True, slots=True, eq=False)  # told apart by identity: hashing must be cheap
class Output:
    """One event type that a stage emits under one version."""

    event_type: str
    topic: str
    partitions: int
    key: str | None
    encode: Callable[[Any], bytes]
    """Raises WrongResult, or PydanticSerializationError, which means the same."""
    to: list[str]
    """The stages that subscribe to it."""
    listed: bool
    """One event holds several lines: its data are a list."""


def input_decoder(signature: StageSignature) -> Callable[[bytes], Any]:
    """Bytes to what a function takes. Raises what `decoder` and `plain` do."""
    return decode_json if signature.is_passthrough else schema_decoder(signature.input_schema)


def decode_json(raw: bytes) -> Any:
    """Bytes as the JSON that they are. Raises UnreadableEventError."""
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise UnreadableEventError(f"data: invalid JSON: {error}") from None


def schema_decoder(schema: Any) -> Callable[[bytes], Any]:
    """Bytes to a schema's value. Raises pydantic's ValidationError: see `expected`."""
    decode: Callable[[bytes], Any] = TypeAdapter(schema).validator.validate_json
    return decode


def as_stage_error(error: BaseException) -> BaseException:
    """pydantic's errors as the ones that a stage is known to make: data that cannot be read, and a
    result that cannot be written.

    A function may well raise a ValidationError of its own; no second try changes that one either.
    """
    if isinstance(error, ValidationError):
        return UnreadableEventError(_describe_validation(error))
    if isinstance(error, PydanticSerializationError):
        return InvalidResultError(f"its result cannot be written as JSON: {error}")
    return error


def _describe_validation(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    said = [
        f"{'.'.join(str(part) for part in e['loc']) or 'data'}: {e['msg']}"
        for e in found[:_MAX_ERRORS_SHOWN]
    ]
    if len(found) > _MAX_ERRORS_SHOWN:
        said.append(f"and {len(found) - _MAX_ERRORS_SHOWN} more")
    return "; ".join(said)


class OutputRouter:
    """Where each result of a stage goes under one version, and what that version says of the event
    type that caused it: which of its events the stage handles, and with which parameters.

    The i-th member of the return annotation is the i-th of `emits`; a result wrapped in `To` names
    its event type itself. The code is that of the newest version: under one that has other numbers
    of outputs, each goes by the name that `latest`, the stage in the newest, gives it.
    """

    def __init__(
        self,
        version: Version,
        event_type: str,
        stage: str,
        signature: StageSignature,
        latest: StageSpec | None = None,
    ) -> None:
        bound = version.stages[stage]
        emits = bound.emits
        now = latest.emits if latest is not None else emits
        self.wanted = _event_filter(bound.when.get(event_type))
        """Is an event handled, by its data and its attributes? None: each is."""
        self.keywords = _fixed_arguments(bound.parameters, signature)
        """What the function gets beside the event, whatever the event."""
        self.decode = _member_decoder(version, event_type, signature)
        """How this event type is read, if not as all that the function takes."""
        schemas = list(signature.output_schemas)
        if len(schemas) > 1 and (signature.names_outputs or len(now) == 1):
            # One event of several schemas: its data are any of them.
            schemas = [typing.Union[tuple(schemas)]]  # noqa: UP007 -- made at run time
        self._unwired: tuple[type, ...] = ()
        self._elsewhere = frozenset(now) - frozenset(emits)
        self._named = tuple(_classes_of(schemas[0])) if signature.names_outputs else ()
        if len(schemas) == 1:
            schemas = schemas * len(emits)
        elif len(schemas) != len(emits):
            named = dict(zip(now, schemas, strict=False))
            emits = tuple(name for name in emits if name in named)
            missing = [named[name] for name in named if name not in emits]
            self._unwired = tuple(each for schema in missing for each in _classes_of(schema))
            schemas = [named[name] for name in emits]
        self.names: dict[str, Output] = {}
        self.by_class: dict[type, Output] = {}
        self._others: list[Output] = []
        for event_type, schema in zip(emits, schemas, strict=False):
            event = version.events[event_type]
            key = event.key and _field_name(schema, event.key)
            encode = _encode_json if signature.is_passthrough else _schema_encoder(schema)
            output = Output(
                event_type,
                event.topic,
                event.partitions,
                key,
                encode,
                list(version.subscribers(event_type)),
                holds_lines(event),
            )
            self.names[event_type] = output
            if signature.names_outputs:
                continue
            classes = list(_JSON_TYPES) if signature.is_passthrough else _classes_of(schema)
            for each in classes:
                self.by_class.setdefault(each, output)
            if not classes:
                self._others.append(output)

    def of(self, result: Any) -> tuple[Output, Any]:
        """Where a result goes, and its data, if `by_class` does not say. Raises WrongResult and
        UndeclaredOutputError."""
        if type(result) is To:
            named = self.names.get(result.event)
            if named is None and result.event in self._elsewhere:
                raise UndeclaredOutputError(result.event)
            if named is None:
                raise InvalidResultError(
                    f"it gave To({result.event!r}), but emits {', '.join(self.names) or 'nothing'}"
                )
            if self._named and not isinstance(result.data, self._named):
                raise InvalidResultError(
                    f"it gave To({result.event!r}, {type(result.data).__name__}), where it says "
                    f"that it gives To[{' | '.join(c.__name__ for c in self._named)}]"
                )
            return named, result.data
        for each, output in self.by_class.items():
            if isinstance(result, each):
                return output, result
        if isinstance(result, self._unwired):
            raise UndeclaredOutputError(type(result).__name__)
        if len(self._others) == 1:
            return self._others[0], result
        raise InvalidResultError(
            f"it gave a {type(result).__name__}, where it says that it gives "
            f"{' | '.join(c.__name__ for c in self.by_class) or 'nothing'}"
        )


def holds_lines(event: EventSpec) -> bool:
    """Are an event's data a list, of lines?"""
    return (event.data_schema or {}).get("type") == "array"


def bind_outputs(
    version: Version,
    event_type: str,
    stage: str,
    signature: StageSignature,
    latest: StageSpec | None = None,
) -> OutputRouter | None:
    """Where a stage's results go, for an event type under a version; None where that does not send
    the event to the stage. `latest` is the stage as the newest version has it.

    Raises whatever the code says of parameters and expressions that were made for another.
    """
    if stage not in version.subscribers(event_type):
        return None
    return OutputRouter(version, event_type, stage, signature, latest)


def _event_filter(when: str | None) -> Callable[[bytes, Mapping[str, str]], bool] | None:
    if when is None:
        return None
    condition = compile_expression(when)
    return lambda raw, attributes: condition(decode_json(raw), attributes)


def _fixed_arguments(parameters: Mapping[str, Any], signature: StageSignature) -> Mapping[str, Any]:
    if signature.parameter_model is None:
        return {}
    return {PARAMS_NAME: build_parameters(signature.parameter_model, parameters)}


def _member_decoder(
    version: Version, event_type: str, signature: StageSignature
) -> Callable[[bytes], Any] | None:
    """Of a function that takes `A | B`: the one of them that this event type is, if its schema is
    that of one alone. Otherwise pydantic takes the one that fits best."""
    if typing.get_origin(signature.input_schema) not in (typing.Union, types.UnionType):
        return None
    published = version.events[event_type].data_schema
    alike = [m for m in typing.get_args(signature.input_schema) if published in _json_schemas(m)]
    return schema_decoder(alike[0]) if published and len(alike) == 1 else None


def _json_schemas(schema: Any) -> list[Any]:
    try:
        return [schemas.written_schema(schema), schemas.accepted_schema(schema)]
    except schemas.NoSchemaError:
        return []


_JSON_TYPES = (dict, list, str, int, float, bool)


def _encode_json(value: Any) -> bytes:
    """Any JSON, as it came."""
    return to_json(value)


def signature_mismatch(stage: StageSpec, signature: StageSignature) -> str | None:
    """Why a function cannot be what a stage says it is; None where it can."""
    emits, gives = len(stage.emits), len(signature.output_schemas)
    if signature.is_passthrough and not emits:
        return None  # the last of its path
    if bool(emits) == bool(gives) and (signature.names_outputs or emits in (1, gives)):
        return None
    return f"{stage.run} gives {gives} kinds of events, and the stage emits {emits}"


def _classes_of(schema: Any) -> list[type]:
    """The classes by which a schema's values are told apart; none for a TypedDict and the like."""
    if typing.get_origin(schema) in (typing.Union, types.UnionType):
        inner = [_classes_of(member) for member in typing.get_args(schema)]
        return [c for classes in inner for c in classes] if all(inner) else []
    try:
        isinstance(None, schema)
    except TypeError:
        return []
    return [schema]


def _field_name(schema: Any, key: str) -> str:
    """Where an object holds the field that its JSON calls `key`."""
    for each in _classes_of(schema):
        for name, field in getattr(each, "model_fields", {}).items():
            if key == (field.serialization_alias or field.alias or name):
                return str(name)
    return key


def _schema_encoder(schema: Any) -> Callable[[Any], bytes]:
    """A value to JSON, by alias, as it is read."""
    adapter = TypeAdapter(schema)
    to_json: Callable[..., bytes] = adapter.serializer.to_json
    if _classes_of(schema):
        # Not to ask where there is no alias: this is called for every event.
        return partial(to_json, by_alias=True) if _has_aliases(adapter) else to_json

    def encode(value: Any) -> bytes:
        try:
            return to_json(adapter.validate_python(value), by_alias=True)
        except ValidationError as error:
            raise InvalidResultError(
                f"its result does not fit {schema}: {_describe_validation(error)}"
            ) from None

    return encode


def _has_aliases(adapter: TypeAdapter[Any]) -> bool:
    plain = adapter.json_schema(by_alias=False, mode="serialization")
    return plain != adapter.json_schema(by_alias=True, mode="serialization")
