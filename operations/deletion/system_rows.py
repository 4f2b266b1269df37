"""Which rows of the installation's own tables belong to one pipeline?"""

from __future__ import annotations

from collections.abc import Mapping, Set

from farandole.events.control_documents import (
    AcknowledgeDocument,
    CancelDocument,
    MuteDocument,
    parse_control_or_none,
)
from farandole.events.run_row import RunRow, parse_run_row
from farandole.ledger.bookkeeper_lane import FIRING_PREFIX
from farandole.notifier import notifier_tables

Table = Mapping[bytes, bytes]
"""The newest value of each key."""


def run_rows_of(table: Table, pipeline: str) -> dict[bytes, RunRow]:
    """Return the rows of the pipeline's runs, by key."""
    rows = {key: parse_run_row(value) for key, value in table.items()}
    return {key: row for key, row in rows.items() if row and row["pipeline"] == pipeline}


def firing_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its firing alerts in the bookkeeper's state."""
    prefix = FIRING_PREFIX + f"{pipeline}/".encode()
    return [key for key in table if key.startswith(prefix)]


def incident_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its rows in `farandole.incidents`."""
    return [key for key in table if key.startswith(f"{pipeline}/".encode())]


def notice_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its rows in `farandole.outbox`."""
    return [row.key for row in notifier_tables.read_notices(table) if row.pipeline == pipeline]


def control_keys_of(
    table: Table, pipeline: str, runs: Set[bytes], incidents: Set[str]
) -> list[bytes]:
    """Return the keys of the control documents about the pipeline, its runs or its incidents."""

    def concerns(value: bytes) -> bool:
        document = parse_control_or_none(value)
        if isinstance(document, CancelDocument):
            return document.run.encode() in runs
        if isinstance(document, AcknowledgeDocument):
            return document.incident in incidents
        if isinstance(document, MuteDocument) and document.incident:
            return document.incident in incidents
        return document is not None and document.pipeline == pipeline

    return [key for key, value in table.items() if concerns(value)]
