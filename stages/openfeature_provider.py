"""How does code that uses OpenFeature's SDK read the flags of a pipeline?

Needs the extra `farandole[openfeature]`. A call of the SDK takes a hundred times as long as
`context.flag`: it is for code that has OpenFeature anyway.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from farandole.stages.contract import Context, EventInfo

if not __name__.startswith("farandole."):
    raise ImportError("stages.openfeature_provider is a part of farandole: import farandole.stages")

try:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.exception import ErrorCode
    from openfeature.flag_evaluation import FlagResolutionDetails, Reason
    from openfeature.provider import AbstractProvider, Metadata
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "the OpenFeature provider needs openfeature-sdk: pip install 'farandole[openfeature]'",
        name="openfeature",
    ) from None

if TYPE_CHECKING:
    from openfeature.flag_evaluation import FlagValueType

T = TypeVar("T")

READER = "farandole"
"""The attribute of an evaluation context with what reads the flags."""
_UNKNOWN: Any = object()


def evaluation_context(reader: Context | EventInfo) -> EvaluationContext:
    """Return the evaluation context of the event of a call, for each read of a flag in it: its key
    and attributes, and the flags of its batch. In a function of a list, that of
    `context.events[i]`."""
    event = reader.events[0] if hasattr(reader, "events") else reader
    attributes = {**event.attributes, READER: cast(Any, reader)}
    return EvaluationContext(targeting_key=event.key or event.id, attributes=attributes)


class FlagProvider(AbstractProvider):
    """Reads the flags of the pipeline in whose function a client is asked.

    Every read needs the `evaluation_context` of the call; without it the default is returned, with
    the error INVALID_CONTEXT."""

    def get_metadata(self) -> Metadata:
        return Metadata(name="farandole")

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        return _resolved(flag_key, default_value, evaluation_context, bool)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        return _resolved(flag_key, default_value, evaluation_context, str)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        return _resolved(flag_key, default_value, evaluation_context, int)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        return _resolved(flag_key, default_value, evaluation_context, float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return _resolved(flag_key, default_value, evaluation_context, (dict, list))


def _resolved(
    name: str,
    default: T,
    context: EvaluationContext | None,
    kind: type | tuple[type, ...],
) -> FlagResolutionDetails[T]:
    reader: Any = context.attributes.get(READER) if context is not None else None
    if not hasattr(reader, "flag"):
        return _failed(
            default,
            ErrorCode.INVALID_CONTEXT,
            "give the read the evaluation_context of farandole.stages.openfeature_provider",
        )
    value = reader.flag(name, _UNKNOWN)
    if value is _UNKNOWN:
        return _failed(default, ErrorCode.FLAG_NOT_FOUND, f"the pipeline has no flag {name!r}")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return _failed(
            default,
            ErrorCode.TYPE_MISMATCH,
            f"the flag {name!r} has {value!r:.60}, of another type",
        )
    return FlagResolutionDetails(value=cast(T, value), reason=Reason.UNKNOWN)


def _failed(default: T, code: ErrorCode, message: str) -> FlagResolutionDetails[T]:
    return FlagResolutionDetails(
        value=default, error_code=code, error_message=message, reason=Reason.ERROR
    )
