"""What is known of a file, a line of it, and a reading?"""

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, Field

ABSOLUTE_ZERO = -273.15  # °C


class File(BaseModel):
    path: Path


class Line(BaseModel):
    """As it is in the file: a line that is no reading fails alone."""

    sensor: str
    at: str
    celsius: str


class Reading(BaseModel):
    sensor: str = Field(min_length=1)
    at: datetime
    celsius: float = Field(ge=ABSOLUTE_ZERO)
