"""Which control documents change nothing, so that somebody must be told?

Each is a condition of the bookkeeper, which holds as long as its record stands: the alert fires a
few seconds after the record was written, and is resolved when it is replaced or deleted.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256

from farandole.catalog.control_misfits import active_versions, control_misfits, ended_switches
from farandole.catalog.topology_table import TopologyTable
from farandole.events.controls_in_force import TimedDocument
from farandole.events.next_step import NextStep
from farandole.events.safe_text import short_line
from farandole.events.schedule_document import BackfillDocument, FireDocument, ScheduleDocument
from farandole.ledger.control_watch import UnreadRecord
from farandole.ledger.stage_alerts import AlertCondition, ConditionKind

_OF_SCHEDULES = (ScheduleDocument, FireDocument, BackfillDocument)
MAX_ALERTS = 10
"""How many records of a kind are told about at a time, the oldest first; `farandole switches` shows
them all."""
FIRE_AFTER_MS = 5_000
"""How long a record may stand before its alert fires: a document may be written a moment before the
version that has its stage is read, or be corrected at once."""
_PLAIN_KEY = re.compile(rb"[A-Za-z0-9_./@+-]{1,200}")
_MAX_KEY = 60  # characters of a record's key in a text


def control_conditions(
    documents: Sequence[TimedDocument],
    unread: Sequence[UnreadRecord],
    table: TopologyTable,
    now: datetime,
) -> Iterator[AlertCondition]:
    """Yield a true condition for each record that changes nothing. `documents`: in the order of the
    log. What names no pipeline that there is concerns all pipelines."""
    every = [version.pipeline for version in table.newest_versions()]
    for number, record in enumerate(unread[:MAX_ALERTS], 1):
        place = f"{record.topic}/{record.partition}/{record.offset}"
        key = short_line(record.key.decode(errors="backslashreplace"), _MAX_KEY)
        text = (
            f"{place} (key {key}) is no control document: {record.why}; it changes nothing"
            f"{_more_text(number, len(unread))}: write it anew, or delete it by a record of the"
            f" same key without a value{_deletion(record)}"
        )
        for pipeline in every:
            name = f"control/unread/{_digest(record.key)}"
            yield _condition("control.unread", pipeline, None, name, text, None)
    active = active_versions(table.versions)
    misfits = [*control_misfits(documents, active, now, unknown=table.newer)]
    for number, misfit in enumerate(misfits[:MAX_ALERTS], 1):
        is_known = misfit.pipeline in every
        key = short_line(misfit.document.key.decode(errors="backslashreplace"), _MAX_KEY)
        generation = misfit.document.generation
        text = (
            f"the control document {key} (generation {generation}) changes nothing: {misfit.why}"
            f"{_more_text(number, len(misfits))}"
        )
        is_of_schedule = isinstance(misfit.document.control, _OF_SCHEDULES)
        step = NextStep("see all with", ("schedules" if is_of_schedule else "switches",))
        for pipeline in [misfit.pipeline] if is_known else every:
            name = f"control/unfit/{_digest(misfit.document.control.key)}"
            yield _condition("control.unfit", pipeline, misfit.known_stage, name, text, step)
    stages = {(v.pipeline, stage) for of in active.values() for v in of for stage in v.stages}
    stages |= {(pipeline, "") for pipeline in every}
    for ended in ended_switches(documents, now):
        switch, stage = ended.switch, ended.switch.stage
        why = f": {short_line(ended.end.why, 500)}" if ended.end.why else ""
        target = f"`{stage}`" if stage else "the whole pipeline"
        text = f"the {switch.mode} of {target} is over, as if it were not there{why}"
        step = NextStep(
            "clear this with", ("switch", shlex.quote(stage) if stage else "--all", "on")
        )
        if (switch.pipeline, stage) in stages:
            name = f"stage/{stage}/switch" if stage else "switch"
            yield _condition("switch.ended", switch.pipeline, stage or None, name, text, step)


def _more_text(number: int, found: int) -> str:
    """Return how many records there are beside those that alerts tell of, for the last of these."""
    more = found - MAX_ALERTS
    return f" (and {more} more, without an alert)" if number == MAX_ALERTS and more > 0 else ""


def _condition(
    kind: ConditionKind,
    pipeline: str,
    stage: str | None,
    name: str,
    text: str,
    step: NextStep | None,
) -> AlertCondition:
    return AlertCondition(
        key=f"{pipeline}/{name}",
        kind=kind,
        pipeline=pipeline,
        stage=stage,
        is_bad=True,
        fire_after_ms=FIRE_AFTER_MS,
        unread=0,
        members=0,
        age=None,
        detail=text,
        step=step,
    )


def _deletion(record: UnreadRecord) -> str:
    """Return `: echo 'KEY:' | kcat …`, which deletes a record; empty for a key that kcat does not
    read as it stands. For an empty line kcat writes nothing: the key is in the line."""
    if not _PLAIN_KEY.fullmatch(record.key):
        return ""
    return f": echo '{record.key.decode()}:' | kcat -P -b BROKER -t {record.topic} -K: -Z"


def _digest(key: bytes) -> str:
    """Return what stands for the key of a record, which may be anything, in the key of an alert."""
    return sha256(key).hexdigest()[:16]
