"""How does a person take something unusual as normal?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.anomaly_document import ExpectDocument
from farandole.events.failure_fingerprint import failure_fingerprint
from farandole.events.incident_record import Incident
from farandole.events.next_step import NextStep
from farandole.ledger.steering_rows import read_steering
from farandole.operations.control.control_change import put_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.errors import ConflictError, InvalidRequestError, NotFoundError, operation
from farandole.operations.incidents.incident_rows import read_incident_rows
from farandole.operations.installation import Installation
from farandole.operations.published_pipeline import require_published
from farandole.operations.quality.anomaly_list import Anomaly, list_anomalies
from farandole.operations.quality.quality_records import newest_findings
from farandole.operations.recorded import recorded
from farandole.operations.results import Result

TAKEN_SECONDS = 10.0
"""How long it is waited for the lane to take what was said."""
LEAST_ID_LENGTH = 6
"""So much of an id is enough, if no other one begins so."""
_POLL_SECONDS = 0.3
_MOST_FINDINGS = 400  # rows in which an anomaly is looked for


@dataclass(frozen=True, slots=True)
class ExpectRequest:
    """What is taken as normal, by whom and why."""

    id: str
    """Of the anomaly, the beginning of it, or that of its incident."""
    by: str
    reason: str
    pipeline: str | None = None
    """None: that of the file."""


class ExpectResult(Result):
    """The anomaly that is taken as normal."""

    pipeline: str
    anomaly: str
    edge: str
    column: str
    statistic: str
    taken: bool
    """False if the lane that watches the pipeline has not read it yet: it does so as soon as it
    runs."""


@operation
@recorded("quality expect", lambda request: request.id)
async def expect_anomaly(installation: Installation, request: ExpectRequest) -> ExpectResult:
    """Take something unusual as normal: what was measured is learnt, and its incident is over.
    Raises NotFoundError (`unknown_anomaly`, `nothing_applied`, `pipeline_unknown`), ConflictError
    (`already_expected`), InvalidRequestError without a reason, and UnavailableError."""
    if not request.reason.strip():
        raise InvalidRequestError("invalid_request", "say why it is normal")
    pipeline = await require_published(installation, request.pipeline)
    settings = installation.settings
    findings = await newest_findings(settings, pipeline, _MOST_FINDINGS)
    found = find_anomaly(
        [*list_anomalies(findings.rows, findings.over)],
        await read_incident_rows(settings),
        pipeline,
        request.id,
    )
    installation.deed.target = found.id
    if found.id in await _expected(settings, pipeline):
        raise ConflictError(
            "already_expected", f"{found.id} is taken as normal already", anomaly=found.id
        )
    document = ExpectDocument(
        pipeline=pipeline, anomaly=found.id, by=request.by, comment=request.reason.strip()
    )
    await put_control(installation, document, await read_control_state(settings))
    return ExpectResult(
        pipeline=pipeline,
        anomaly=found.id,
        edge=found.edge,
        column=found.column,
        statistic=found.statistic,
        taken=await _taken(settings, pipeline, found.id),
    )


def find_anomaly(
    anomalies: Sequence[Anomaly], incidents: Iterable[Incident], pipeline: str, id_: str
) -> Anomaly:
    """Return the anomaly of an id, of the beginning of one, or of an incident. Raises NotFoundError
    (`unknown_anomaly`)."""
    named = [each for each in incidents if each.id == id_]
    for each in anomalies:
        if each.id == id_ or incident_of(each, named, pipeline) is not None:
            return each
    if len(id_) >= LEAST_ID_LENGTH:
        begun = {each.id: each for each in anomalies if each.id.startswith(id_)}
        if len(begun) == 1:
            return next(iter(begun.values()))
    raise NotFoundError(
        "unknown_anomaly",
        f"nothing unusual about the last runs of {pipeline} has the id {id_!r}",
        next_steps=[NextStep("see what was unusual", ("quality",))],
        anomaly=id_,
    )


def incident_of(anomaly: Anomaly, incidents: Iterable[Incident], pipeline: str) -> Incident | None:
    """Return the incident by which people were told of an anomaly; None if it is none of these."""
    keys = [f"{pipeline}/unusual/{anomaly.id}"]
    if anomaly.is_silence:
        keys.append(f"{pipeline}/silent/{anomaly.edge}")
    prints = {failure_fingerprint("", "data.unusual", key) for key in keys}
    for each in incidents:
        if each.pipeline == pipeline and each.fingerprint in prints:
            return each
    return None


async def _expected(settings: Settings, pipeline: str) -> set[str]:
    """Return the anomalies that the lane has taken as normal."""
    state = await read_table(settings, settings.names.quality_state_topic)
    steering = read_steering(state).get(pipeline)
    return set() if steering is None else {each.anomaly for each in steering.expected}


async def _taken(settings: Settings, pipeline: str, anomaly: str) -> bool:
    """Return whether the lane takes an anomaly as normal within TAKEN_SECONDS."""
    ends = asyncio.get_running_loop().time() + TAKEN_SECONDS
    while anomaly not in await _expected(settings, pipeline):
        if asyncio.get_running_loop().time() >= ends:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True
