"""Which events does a stage pass on?

Unlike `when:` on a subscription, this is a stage of its own, so other stages may subscribe to it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator

from farandole.stages.cel_expression import CompiledCondition, compile_expression
from farandole.stages.contract import Context, Unchanged
from farandole.stages.parameter_formats import EXPRESSION_FORMAT

if not __name__.startswith("farandole."):
    raise ImportError(
        "stages.generic.filter is a part of farandole: import farandole.stages.generic.filter"
    )

T = TypeVar("T")


class FilterParams(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    when: str = Field(json_schema_extra={"format": EXPRESSION_FORMAT})
    """An expression over `data` and `attributes`, as in `when:` of a subscription."""

    @field_validator("when")
    @classmethod
    def _compiles(cls, when: str) -> str:
        compile_expression(when)  # its error is a ValueError, so lint reports it
        return when

    @cached_property
    def condition(self) -> CompiledCondition:
        return compile_expression(self.when)


def filter(event: T, context: Context, params: FilterParams) -> Unchanged[T] | None:  # noqa: A001 -- its name in a topology
    """Return the event if the expression is true for it, else None. Raises Undecided if it is
    neither true nor false: the event becomes a dead letter."""
    return event if params.condition(event, context.attributes) else None
