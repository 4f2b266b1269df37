"""Which keys of a topology file stand for a published field, and what does each one take?

A key of the file is declared once: as metadata of the field that a version publishes
(`farandole.events.topology_version`). The file's model, the editor's schema, the derivation, the
difference between two versions and the stage host all read it from there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_M = TypeVar("_M", bound="StageField")

ValueKind = Literal[
    "duration", "positive_duration", "positive_durations", "share", "integer", "flag",
    "error_names", "sensitivity", "daily_times",
]  # fmt: skip
"""How a value is written in the file: `200ms` (a duration), several of those, `1%` (a share), a
whole number, true or false, the name of an exception's class (or several), one of some words, times
of day with their zones."""


@dataclass(frozen=True, slots=True)
class StageField:
    """Metadata of each field of `StageSpec`."""

    restarts_lanes: bool = field(default=True, kw_only=True)
    """Whether a running stage starts its lanes again when a new version changes this field. False
    for what is wired by the version of each event, and for what only other services read."""


@dataclass(frozen=True, slots=True)
class FileKey(StageField):
    """Metadata of a field that is a key of the file under the same name. The field's own default
    and bounds (`Field(ge=..., le=...)`) apply to the file too."""

    description: str
    """One sentence for a person who writes the file; editors show it."""
    kind: ValueKind = "integer"
    inherited: bool = False
    """Whether `defaults:` may give the value for every stage."""
    maximum: int | None = None
    """The largest value in a file, if the published field itself has no upper bound."""
    plain: bool = False
    """Whether a plan shows the published value as it is, not in the form of the file."""


def file_keys(model: type[BaseModel]) -> dict[str, FileKey]:
    """Return the keys of the file that `model` declares, by name, in the order of its fields."""
    found = ((name, _field_metadata(field, FileKey)) for name, field in model.model_fields.items())
    return {name: key for name, key in found if key is not None}


def restarting_fields(model: type[BaseModel]) -> frozenset[str]:
    """Return the names of the fields of `model` whose change starts a stage's lanes again. A field
    without metadata is one of them."""
    return frozenset(
        name
        for name, field in model.model_fields.items()
        if (_field_metadata(field, StageField) or StageField()).restarts_lanes
    )


def value_bounds(field: FieldInfo) -> tuple[Any, ...]:
    """Return the constraints of a field, without what this module adds to them."""
    return tuple(item for item in field.metadata if not isinstance(item, StageField))


def _field_metadata(field: FieldInfo, kind: type[_M]) -> _M | None:
    return next((item for item in field.metadata if isinstance(item, kind)), None)
