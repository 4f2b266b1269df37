"""Which incidents are there, and how are they acknowledged or muted?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from farandole.events.control_documents import AcknowledgeDocument, MuteDocument
from farandole.events.incident_record import Incident, Notice
from farandole.events.safe_text import escape_harmful
from farandole.operations.control.control_change import put_control
from farandole.operations.errors import ConflictError, operation, query
from farandole.operations.incidents.incident_rows import (
    find_incident,
    read_incident_rows,
    read_notice_rows,
)
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.recorded import recorded
from farandole.operations.results import Result

_PRIVATE_NOTICE_FIELDS = frozenset({"mail", "payload", "incident", "pipeline", "webhook"})
"""Left out of the JSON form. Whoever knows a webhook's address can post to it."""


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Which incidents are listed."""

    resolved: bool = False
    """True to list resolved incidents too."""


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """Which incident is shown."""

    incident: str


@dataclass(frozen=True, slots=True)
class AcknowledgeRequest:
    """The incident that somebody acknowledges, and who does."""

    incident: str
    by: str
    comment: str = ""
    """What the person knows or does, for the others."""


@dataclass(frozen=True, slots=True)
class MuteRequest:
    """The stage or incident to mute, until when, and who asks for it."""

    target: str
    """An incident's id, or a stage of the pipeline."""
    by: str
    duration: timedelta | None = None
    """None: send again from now on."""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ListedIncident:
    """One incident; its JSON form has the fields of the row."""

    incident: Incident

    def to_data(self) -> dict[str, Any]:
        """Return the JSON data, without control characters, which a terminal would act on."""
        data: dict[str, Any] = _harmless_data(self.incident.model_dump(mode="json"))
        return data


@dataclass(frozen=True, slots=True)
class ShownIncident:
    """One incident and what was sent about it."""

    incident: Incident
    sent: tuple[Notice, ...]

    def to_data(self) -> dict[str, Any]:
        """Return the fields of the row and `sent`, a list of notices, harmless for a terminal."""
        sent = [
            notice.model_dump(mode="json", exclude=set(_PRIVATE_NOTICE_FIELDS))
            for notice in self.sent
        ]
        data: dict[str, Any] = _harmless_data(
            {**self.incident.model_dump(mode="json"), "sent": sent}
        )
        return data


class AcknowledgeResult(Result):
    """An acknowledged incident."""

    incident: str
    by: str


class MuteResult(Result):
    """The muted stage or incident."""

    target: str
    until: datetime | None
    """None: it is not muted any more."""


@query
async def list_incidents(installation: Installation, request: ListRequest) -> list[ListedIncident]:
    """Return the incidents: open ones first, the last to fail first. Raises UnavailableError."""
    incidents = await read_incident_rows(installation.settings)
    listed = sorted(
        (each for each in incidents if request.resolved or each.resolved is None),
        key=lambda each: (each.resolved is not None, -each.last.timestamp()),
    )
    return [ListedIncident(incident) for incident in listed]


@query
async def show_incident(installation: Installation, request: ShowRequest) -> ShownIncident:
    """Return one incident and its notices. Raises NotFoundError (`unknown_incident`) and
    UnavailableError."""
    incidents = await read_incident_rows(installation.settings)
    notices = await read_notice_rows(installation.settings)
    incident = find_incident(incidents, request.incident)
    sent = tuple(notice for notice in notices if notice.incident == incident.id)
    return ShownIncident(incident, sent)


@operation
@recorded("ack", lambda request: request.incident)
async def acknowledge(installation: Installation, request: AcknowledgeRequest) -> AcknowledgeResult:
    """Acknowledge an incident: no more digests of it are sent. Raises NotFoundError
    (`unknown_incident`), ConflictError (`incident_resolved`) and UnavailableError."""
    settings = installation.settings
    incident = find_incident(await read_incident_rows(settings), request.incident)
    if incident.resolved is not None:
        raise ConflictError(
            "incident_resolved",
            f"{incident.id} was resolved at {incident.resolved:%Y-%m-%d %H:%M} UTC",
            incident=incident.id,
        )
    document = AcknowledgeDocument(incident=incident.id, by=request.by, comment=request.comment)
    await put_control(installation, document)
    return AcknowledgeResult(incident=incident.id, by=request.by)


@operation
@recorded("mute", lambda request: request.target)
async def mute(installation: Installation, request: MuteRequest) -> MuteResult:
    """Mute an incident or a stage until a time: nothing is sent about it, and failures are still
    counted. Raises NotFoundError (`unknown_stage`: neither a stage nor an incident) and
    UnavailableError."""
    settings, target = installation.settings, request.target
    until = datetime.now(UTC) + (request.duration or timedelta())
    if any(incident.id == target for incident in await read_incident_rows(settings)):
        document = MuteDocument(
            incident=target, until=until, by=request.by, comment=request.comment
        )
    else:
        version = await installation.newest_version()
        stage = require_known(target, version.stages, "stage or incident")
        document = MuteDocument(
            pipeline=version.pipeline,
            stage=stage,
            until=until,
            by=request.by,
            comment=request.comment,
        )
    await put_control(installation, document)
    return MuteResult(target=target, until=until if request.duration else None)


def _harmless_data(data: Any) -> Any:
    """Return JSON data whose texts have no control characters, which a terminal would act on."""
    if isinstance(data, str):
        return escape_harmful(data)
    if isinstance(data, dict):
        return {escape_harmful(name): _harmless_data(value) for name, value in data.items()}
    return [_harmless_data(each) for each in data] if isinstance(data, list) else data
