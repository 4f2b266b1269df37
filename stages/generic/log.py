"""Which events pass this stage, in the log?"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from farandole.stages.contract import Context, Unchanged
from farandole.stages.parameter_formats import FIELD_FORMAT

if not __name__.startswith("farandole."):
    raise ImportError(
        "stages.generic.log is a part of farandole: import farandole.stages.generic.log"
    )

T = TypeVar("T")


class LogParams(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Literal["debug", "info", "warning"] = "info"
    message: str = "event.seen"
    fields: tuple[Annotated[str, Field(json_schema_extra={"format": FIELD_FORMAT})], ...] | None = (
        None
    )
    """The fields that are logged; None logs all of them. Leave out secret ones."""


def log(event: T, context: Context, params: LogParams) -> Unchanged[T]:
    """Log an event and return it. If the stage emits nothing, the event ends here."""
    write = getattr(context.log, params.level)
    write(params.message, id=context.events[0].id, data=_selected_fields(event, params.fields))
    return event


def _selected_fields(event: Any, fields: tuple[str, ...] | None) -> Any:
    if fields is None or not isinstance(event, dict):
        return event
    return {name: event[name] for name in fields if name in event}
