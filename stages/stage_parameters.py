"""Which `params` does a function get for what stands under `with:`?"""

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
    """Has it named fields, of which `with:` can give each?"""
    if is_typeddict(annotation):
        return True
    return isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation)
    )


def build_parameters(model: Any, written: Mapping[str, Any]) -> Any:
    """The parameters as the function gets them; read as JSON, which a published version is.
    Raises pydantic's ValidationError."""
    return TypeAdapter(model).validate_json(to_json(dict(written)))
