"""How are the values of `with:` turned into the `params` of a function?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json
from typing_extensions import is_typeddict

if not __name__.startswith("farandole."):
    raise ImportError("stages.stage_parameters is a part of farandole: import farandole.stages")


def is_parameter_model(annotation: Any) -> bool:
    """Return True if the annotation is a model with named fields, which `with:` can give."""
    if is_typeddict(annotation):
        return True
    return isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation)
    )


def build_parameters(model: Any, written: Mapping[str, Any]) -> Any:
    """Return the parameters for the function. They are validated as JSON, because a published
    version is JSON. Raises pydantic's ValidationError."""
    return TypeAdapter(model).validate_json(to_json(dict(written)))
