"""Which rows of the installation's own tables belong to one pipeline?"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import get_args

from farandole.events.canary_row import CANARY_PREFIX
from farandole.events.control_documents import (
    AcknowledgeDocument,
    CancelDocument,
    MuteDocument,
    parse_control_or_none,
)
from farandole.events.run_row import RunRow, parse_run_row
from farandole.events.schedule_row import (
    BACKFILL_PREFIX,
    OBJECT_PREFIX,
    SCHEDULE_PREFIX,
    order_key,
)
from farandole.events.share_row import ShareKind
from farandole.ledger import quality_lane
from farandole.ledger.bookkeeper_lane import FIRING_PREFIX
from farandole.ledger.profile_store import PROFILE_PREFIX, WINDOWS_PREFIX
from farandole.ledger.steering_rows import EXPECTED_PREFIX, IGNORED_PREFIX
from farandole.notifier import notifier_tables
from farandole.scheduler.file_arrivals import FOLDER_PREFIX
from farandole.scheduler.scheduler_lane import ALERT_PREFIX

_BOOKKEEPER_KINDS = (FIRING_PREFIX, CANARY_PREFIX, PROFILE_PREFIX, WINDOWS_PREFIX)

Table = Mapping[bytes, bytes]
"""The newest value of each key."""


def run_rows_of(table: Table, pipeline: str) -> dict[bytes, RunRow]:
    """Return the rows of the pipeline's runs, by key."""
    rows = {key: parse_run_row(value) for key, value in table.items()}
    return {key: row for key, row in rows.items() if row and row["pipeline"] == pipeline}


def bookkeeper_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its firing alerts, its canaries, and the profiles of its open runs, in the
    bookkeeper's state."""
    prefixes = tuple(kind + f"{pipeline}/".encode() for kind in _BOOKKEEPER_KINDS)
    return [key for key in table if key.startswith(prefixes)]


def quality_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its rows in `farandole.quality`, and in the history of its runs."""
    return [key for key in table if key.startswith(f"{pipeline}/".encode())]


def quality_state_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its rows in the state of the lanes that compare runs."""
    kinds = quality_lane.FIRING_PREFIX, EXPECTED_PREFIX, IGNORED_PREFIX
    prefixes = tuple(kind + f"{pipeline}/".encode() for kind in kinds)
    judged = quality_lane.JUDGED_PREFIX + pipeline.encode()
    return [key for key in table if key.startswith(prefixes) or key == judged]


def incident_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its rows in `farandole.incidents`."""
    return [key for key in table if key.startswith(f"{pipeline}/".encode())]


def notice_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its rows in `farandole.outbox`."""
    return [row.key for row in notifier_tables.read_notices(table) if row.pipeline == pipeline]


def share_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its lanes' rows in `farandole.shares`. (Rows of limits are of processes;
    those that go on delete them.)"""
    prefixes = tuple(f"{kind}/{pipeline}/".encode() for kind in get_args(ShareKind))
    return [key for key in table if key.startswith(prefixes)]


def gate_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of the rows that open its gates, in `farandole.gates`."""
    return [key for key in table if key.startswith(f"{pipeline}/".encode())]


def schedule_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its rows in `farandole.schedules`: of its schedules, of its backfills, of
    the files that they have seen, of the orders that were executed, and of the alerts that fire."""
    orders = (order_key(f"{kind}/".encode()) for kind in ("fire", "backfill"))
    files = OBJECT_PREFIX, FOLDER_PREFIX
    kinds = (SCHEDULE_PREFIX, BACKFILL_PREFIX, *files, ALERT_PREFIX, *orders)
    prefixes = tuple(kind + f"{pipeline}/".encode() for kind in kinds)
    return [key for key in table if key.startswith(prefixes)]


def firing_keys_of(table: Table, pipeline: str) -> list[bytes]:
    """Return the keys of its records in `farandole.firings`."""
    return [key for key in table if key.startswith(f"{pipeline}/".encode())]


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
