"""Which roots can be triggered, and with which data?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from farandole.events.json_text import indent_json, one_line_json
from farandole.events.root_record import new_root
from farandole.operations.errors import InvalidRequestError, operation, query
from farandole.operations.events.data_check import data_error, require_root_type
from farandole.operations.events.root_publisher import PublishedRoot, publish_root
from farandole.operations.events.sample_data import build_sample
from farandole.operations.installation import Installation
from farandole.operations.names import require_known
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.worker.data_acceptance import DataProblem
from farandole.worker.isolated_data_check import check_data


class TriggerForm(Result):
    """What is known of the data of one root."""

    event_type: str
    data_schema: dict[str, Any] | None
    """JSON Schema (2020-12); None if its readers take anything."""
    key: str | None
    """The field that is the key of its records."""
    readers: list[str]
    sample: str
    """The shortest data that the schema allows, as JSON."""


class TriggerForms(Result):
    """The roots of a pipeline that can be triggered."""

    pipeline: str
    version: int
    events: list[TriggerForm]


class FoundDataProblem(Result):
    """Why a stage would refuse the data."""

    stage: str
    location: list[str | int]
    """Where in the data; empty for the data as a whole."""
    message: str


class DataCheckResult(Result):
    """Whether the readers of a root take its data."""

    valid: bool
    problems: list[FoundDataProblem]


@dataclass(frozen=True, slots=True)
class CheckedTriggerRequest:
    """A root that is to be checked, or published once it was checked."""

    event_type: str
    data: str
    """JSON."""
    key: str | None = None
    """The record's key; None for the one that the version derives from the data."""


@query
async def read_trigger_forms(installation: Installation) -> TriggerForms:
    """Return the roots to which a stage subscribes, with their schemas. Raises NotFoundError
    (`nothing_applied`)."""
    version = await installation.newest_version()
    return TriggerForms(
        pipeline=version.pipeline,
        version=version.version,
        events=[
            TriggerForm(
                event_type=name,
                data_schema=version.events[name].data_schema,
                key=version.events[name].key,
                readers=[*readers],
                sample=_sample_text(version.events[name].data_schema),
            )
            for name in version.roots()
            if (readers := version.subscribers(name))
        ],
    )


@query
async def check_trigger(
    installation: Installation, request: CheckedTriggerRequest
) -> DataCheckResult:
    """Return what the readers of a root refuse of its data; users' functions are imported by a
    process of its own. Raises NotFoundError (`unknown_event_type`, `nothing_applied`) and
    RefusedError (`event_type_emitted`, `code_missing`)."""
    try:
        _, problems = await _checked(installation, request)
    except InvalidRequestError as error:
        problem = FoundDataProblem(stage="", location=[], message=error.message)
        return DataCheckResult(valid=False, problems=[problem])
    return DataCheckResult(
        valid=not problems,
        problems=[
            FoundDataProblem(stage=p.stage, location=[*p.location], message=p.message)
            for p in problems
        ],
    )


@operation
@recorded("trigger", lambda request: request.event_type)
async def trigger_checked(
    installation: Installation, request: CheckedTriggerRequest
) -> PublishedRoot:
    """Publish a root and return the run that it opens. Raises as `check_trigger`, and
    InvalidRequestError if the data are no JSON, RefusedError (`data_invalid`, `record_refused`) and
    UnavailableError."""
    data, problems = await _checked(installation, request)
    if problems:
        raise data_error(request.event_type, problems)
    version = await installation.newest_version()
    root = new_root(version, request.event_type, data, key=request.key)
    published = await publish_root(installation.settings, version, root)
    installation.deed.changed(
        None, {"events": 1, "runs": [published.run]}, pipeline=version.pipeline
    )
    return published


async def _checked(
    installation: Installation, request: CheckedTriggerRequest
) -> tuple[bytes, tuple[DataProblem, ...]]:
    """Return the data in one line, and what is refused of them."""
    version = await installation.newest_version()
    event_type = require_known(
        request.event_type, version.events, "event type", "unknown_event_type"
    )
    require_root_type(version, event_type)
    try:
        data = one_line_json(request.data.encode())
    except ValueError as error:
        raise InvalidRequestError("invalid_request", f"the data are no JSON: {error}") from None
    return data, await check_data(installation.folder, version, event_type, data)


def _sample_text(schema: dict[str, Any] | None) -> str:
    return indent_json(orjson.dumps(build_sample(schema)).decode()).rstrip("\n")
