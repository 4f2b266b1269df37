"""What do the rows of the notifier's tables say, whoever has written them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from farandole.events import control
from farandole.events.incident import Incident, Notice

log = structlog.get_logger()

Row = TypeVar("Row", bound=BaseModel)


def incidents(table: Mapping[bytes, bytes]) -> list[Incident]:
    return _rows(Incident, table)


def notices(table: Mapping[bytes, bytes]) -> list[Notice]:
    return _rows(Notice, table)


def wishes(values: Iterable[bytes]) -> list[control.Control]:
    """What these documents ask for; one that asks for nothing of ours is passed over."""
    read = []
    for value in values:
        try:
            read.append(control.read(value))
        except ValidationError:
            log.warning("control.unread", value=value[:200].decode(errors="backslashreplace"))
    return read


def _rows(model: type[Row], table: Mapping[bytes, bytes]) -> list[Row]:
    read = []
    for key, value in table.items():
        try:
            read.append(model.model_validate_json(value))
        except ValidationError:
            log.warning("row.foreign", key=key.decode(errors="backslashreplace"))
    return read
