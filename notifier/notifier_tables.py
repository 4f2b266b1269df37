"""What do the rows of the notifier's tables say, whoever has written them?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import structlog
from pydantic import BaseModel, ValidationError

from farandole.events import control_documents
from farandole.events.incident_record import Incident, Notice

log = structlog.get_logger()

RowModel = TypeVar("RowModel", bound=BaseModel)


def read_incidents(table: Mapping[bytes, bytes]) -> list[Incident]:
    return _read_rows(Incident, table)


def read_notices(table: Mapping[bytes, bytes]) -> list[Notice]:
    return _read_rows(Notice, table)


def read_controls(values: Iterable[bytes]) -> list[control_documents.ControlDocument]:
    """What these documents ask for; one that asks for nothing of ours is passed over."""
    read = []
    for value in values:
        try:
            read.append(control_documents.parse_control(value))
        except ValidationError:
            log.warning("control.unread", value=value[:200].decode(errors="backslashreplace"))
    return read


def _read_rows(model: type[RowModel], table: Mapping[bytes, bytes]) -> list[RowModel]:
    read = []
    for key, value in table.items():
        try:
            read.append(model.model_validate_json(value))
        except ValidationError:
            log.warning("row.foreign", key=key.decode(errors="backslashreplace"))
    return read
