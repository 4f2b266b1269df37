"""Which incidents, notices and control documents are in the notifier's tables?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import structlog

from farandole.events import control_documents
from farandole.events.incident_record import Incident, Notice
from farandole.events.row_format import check_json_format
from farandole.notifier.read_positions import ReadPosition

log = structlog.get_logger()

RowModel = TypeVar("RowModel", Incident, Notice, ReadPosition)


def read_incidents(table: Mapping[bytes, bytes]) -> list[Incident]:
    """Return the incidents in `farandole.incidents`; a foreign row is logged and skipped. Raises
    NewerFormatError."""
    rows = {key: value for key, value in table.items() if not ReadPosition.is_key(key)}
    return _read_rows("incident", Incident, rows)


def read_positions(table: Mapping[bytes, bytes]) -> list[ReadPosition]:
    """Return how far each input is read, from the rows in `farandole.incidents`; a foreign row is
    logged and skipped. Raises NewerFormatError."""
    rows = {key: value for key, value in table.items() if ReadPosition.is_key(key)}
    return _read_rows("notifier position", ReadPosition, rows)


def read_notices(table: Mapping[bytes, bytes]) -> list[Notice]:
    """Return the notices in `farandole.outbox`; a foreign row is logged and skipped. Raises
    NewerFormatError."""
    return _read_rows("notice", Notice, table)


def read_controls(values: Iterable[bytes]) -> list[control_documents.ControlDocument]:
    """Return the control documents in these values, without what is none."""
    found = map(control_documents.parse_control_or_none, values)
    return [control for control in found if control is not None]


def _read_rows(kind: str, model: type[RowModel], table: Mapping[bytes, bytes]) -> list[RowModel]:
    found = []
    for key, value in table.items():
        check_json_format(kind, value, key.decode(errors="backslashreplace"))
        try:
            row = model.model_validate_json(value)
            if row.key != key:
                raise ValueError("the row has another key")
        except ValueError:  # pydantic's ValidationError is one
            log.warning("row.foreign", key=key.decode(errors="backslashreplace"))
        else:
            found.append(row)
    return found
