"""Is an example of a schema's data one that fits it?"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, HttpUrl, TypeAdapter

from farandole.operations.events.sample_data import build_sample
from stages.order_lines.schemas import Chunk, EnrichedLine, FeedRequested, ReportRequested


class Nested(BaseModel):
    inner: FeedRequested
    kind: Literal["a", "b"]
    share: float
    on: bool
    name: str
    note: str | None = None
    several: list[str] = Field(min_length=2)
    at: datetime
    day: date
    id: UUID
    site: HttpUrl


@pytest.mark.parametrize("schema", [FeedRequested, ReportRequested, Chunk, EnrichedLine, Nested])
def test_a_sample_fits_its_schema(schema: type[BaseModel]) -> None:
    adapter = TypeAdapter(schema)
    adapter.validate_python(build_sample(adapter.json_schema()))


def test_the_order_lines_are_asked_for_by_week() -> None:
    assert build_sample(FeedRequested.model_json_schema()) == {"weeks": [1]}


def test_without_a_schema_it_is_an_empty_object() -> None:
    assert build_sample(None) == {}


def test_a_schema_that_holds_itself_ends() -> None:
    assert build_sample({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}) is None
