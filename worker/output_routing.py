"""Which outputs does a stage have under one version, and to which does a result go?"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from farandole.catalog.profiled_events import profiling_stage
from farandole.events.event_key import JSON_KEYS
from farandole.events.topology_version import EventSpec, StageSpec, Version
from farandole.stages.cel_expression import compile_expression
from farandole.stages.contract import To
from farandole.stages.function_signature import PARAMS_NAME, StageSignature
from farandole.stages.json_schema import NoSchemaError, schema_digest
from farandole.stages.stage_parameters import build_parameters
from farandole.worker.codecs import (
    Codec,
    InvalidResultError,
    PassthroughCodec,
    codec_for,
    decode_json,
    member_decoder,
)
from farandole.worker.row_gate import make_row_gate


class UndeclaredOutputError(Exception):
    """The function returned an event of a type that the version of its cause does not declare: the
    version is older than the code. No stage of that version subscribes to it."""


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: hashing must be cheap
class Output:
    """One event type that a stage emits under one version."""

    event_type: str
    topic: str
    partitions: int
    encode: Callable[[Any], bytes]
    """Writes a result; raises the errors of `Codec.encoder`."""
    read_key: Callable[[Any], bytes | None] | None
    """Reads the key of a result; None if the event type declares no key: a result then inherits the
    key of its cause, unless that is a list of events."""
    count_rows: Callable[[Any], int] | None
    """Counts the lines of a result; None if its data are no list."""
    subscribers: list[str]
    """The stages that subscribe to it."""
    is_profiled: bool = False
    """True if its data are profiled where it is emitted, because no lane reads it."""


class OutputRouter:
    """Returns the output of each result of a stage, for one input event type under one version. It
    also has that version's filter of the input, and the parameters of the function.

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
        settings = version.stages[stage]
        emits = settings.emits
        newest_emits = latest.emits if latest is not None else emits
        self.accepts = _event_filter(settings.when.get(event_type))
        """Returns True if an event is handled, by its data and its attributes; None if every event
        is."""
        self.row_gate = make_row_gate(version, event_type, stage)
        """Judges the rows before the function sees them; None if nothing is rejected or parked."""
        self.fixed_arguments = _fixed_arguments(settings.parameters, signature)
        """The arguments that the function gets with every event, beside its data."""
        self.member_decode = member_decoder(version, event_type, signature)
        """Reads this event type; None if it is read with the decoder of the whole input schema."""
        schemas = list(signature.output_schemas)
        if len(schemas) > 1 and (signature.names_outputs or len(newest_emits) == 1):
            # One event of several schemas: its data are any of them.
            schemas = [typing.Union[tuple(schemas)]]  # noqa: UP007 -- made at run time
        self._undeclared: tuple[type, ...] = ()
        self._declared_elsewhere = frozenset(newest_emits) - frozenset(emits)
        self._named = (
            _output_codec(schemas[0], signature).classes if signature.names_outputs else ()
        )
        if len(schemas) == 1:
            schemas = schemas * len(emits)
        elif len(schemas) != len(emits):
            named = dict(zip(newest_emits, schemas, strict=False))
            emits = tuple(name for name in emits if name in named)
            missing = [named[name] for name in named if name not in emits]
            self._undeclared = tuple(c for schema in missing for c in codec_for(schema).classes)
            schemas = [named[name] for name in emits]
        self.by_event_type: dict[str, Output] = {}
        self._by_class: dict[type, Output] = {}
        self._others: list[Output] = []
        for event_type, schema in zip(emits, schemas, strict=False):
            event = version.events[event_type]
            codec = _output_codec(schema, signature)
            output = Output(
                event_type,
                event.topic,
                event.partitions,
                codec.encoder(version.format),
                _key_reader(codec, event.key, version, signature),
                codec.count_rows if holds_lines(event) else None,
                list(version.subscribers(event_type)),
                event.is_profiled and profiling_stage(version, event_type) is None,
            )
            self.by_event_type[event_type] = output
            if signature.names_outputs:
                continue
            for each in codec.classes:
                self._by_class.setdefault(each, output)
            if not codec.classes:
                self._others.append(output)

    def route(self, result: Any) -> tuple[Output, Any]:
        """Return the output to which a result goes, and its data. Raises InvalidResultError and
        UndeclaredOutputError."""
        if type(result) is To:
            return self._route_named(result)
        output = self._by_class.get(type(result))
        if output is not None:
            return output, result
        for each, output in self._by_class.items():
            if isinstance(result, each):
                return output, result
        if isinstance(result, self._undeclared):
            raise UndeclaredOutputError(type(result).__name__)
        if len(self._others) == 1:
            return self._others[0], result
        raise InvalidResultError(
            f"it gave a {type(result).__name__}, where it says that it gives "
            f"{' | '.join(c.__name__ for c in self._by_class) or 'nothing'}"
        )

    def _route_named(self, result: To[Any]) -> tuple[Output, Any]:
        output = self.by_event_type.get(result.event)
        if output is None and result.event in self._declared_elsewhere:
            raise UndeclaredOutputError(result.event)
        if output is None:
            names = ", ".join(self.by_event_type) or "nothing"
            raise InvalidResultError(f"it gave To({result.event!r}), but emits {names}")
        if self._named and not isinstance(result.data, self._named):
            raise InvalidResultError(
                f"it gave To({result.event!r}, {type(result.data).__name__}), where it says "
                f"that it gives To[{' | '.join(c.__name__ for c in self._named)}]"
            )
        return output, result.data


def _output_codec(schema: Any, signature: StageSignature) -> Codec:
    if signature.is_passthrough:
        return PassthroughCodec(keeps_bytes=signature.keeps_bytes)
    return codec_for(schema)


def _key_reader(
    codec: Codec, key: str | None, version: Version, signature: StageSignature
) -> Callable[[Any], bytes | None] | None:
    if key is not None:
        return codec.key_reader(key, version.format)
    if signature.takes_batch and version.format >= JSON_KEYS:
        return _no_key  # its causes may have several
    return None


def _no_key(_: Any) -> None:
    return None


def holds_lines(event: EventSpec) -> bool:
    """Return True if an event's data are a list of lines, by its published schema."""
    return (event.data_schema or {}).get("type") == "array"


def bind_outputs(
    version: Version,
    event_type: str,
    stage: str,
    signature: StageSignature,
    latest: StageSpec | None = None,
) -> OutputRouter | None:
    """Return where a stage's results go, for an event type under a version; None if that version
    does not send the event to the stage. `latest` is the stage as the newest version has it.

    Raises whatever the stage's code raises on parameters and expressions made for other code.
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


def schemas_differ(signature: StageSignature, stage: StageSpec) -> bool:
    """Return True if the code has other schemas than the code for which the stage's version was
    made."""
    if not stage.code or signature.is_passthrough:
        return False
    try:
        return schema_digest(signature.input_schema, signature.output_schemas) != stage.code
    except NoSchemaError:
        return True


def signature_mismatch(stage: StageSpec, signature: StageSignature) -> str | None:
    """Return why a function cannot be the one of a stage; None if it can."""
    emits, gives = len(stage.emits), len(signature.output_schemas)
    if signature.is_passthrough and not emits:
        return None  # the last of its path
    if bool(emits) == bool(gives) and (signature.names_outputs or emits in (1, gives)):
        return None
    return f"{stage.run} gives {gives} kinds of events, and the stage emits {emits}"
