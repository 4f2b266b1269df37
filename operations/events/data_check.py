"""Are data valid for all stages that subscribe to an event type?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from farandole.events.topology_version import Version
from farandole.operations.errors import RefusedError
from farandole.worker.data_acceptance import DataProblem, data_problems

_FORCE = "(--force publishes it all the same)"


def require_valid_data(folder: Path, version: Version, event_type: str, data: bytes) -> None:
    """Raise RefusedError (`data_invalid`) if a subscriber would refuse the data, and
    UnusableFunctionError. `folder` as for `data_problems`."""
    problems = [*data_problems(folder, version, event_type, data)]
    if problems:
        raise data_error(event_type, problems)


def require_root_type(version: Version, event_type: str) -> None:
    """Raise RefusedError (`event_type_emitted`) if a stage emits the type: a published root of it
    would look like a result of the stage."""
    emitters = version.emitters(event_type)
    if emitters:
        raise RefusedError(
            "event_type_emitted",
            f"{event_type} is emitted by {', '.join(emitters)}; a trigger is one of "
            f"{', '.join(version.roots())} {_FORCE}",
            event_type=event_type,
            emitters=list(emitters),
            roots=list(version.roots()),
        )


def data_error(event_type: str, problems: Sequence[DataProblem]) -> RefusedError:
    """Return the error for data that are refused; `problems`: at least one. It is about the first
    stage that refuses them."""
    first, *more = (each for each in problems if each.stage == problems[0].stage)
    problem = f"{'.'.join(map(str, first.location)) or 'data'}: {first.message}"
    problem += f", and {len(more)} more" if more else ""
    return RefusedError(
        "data_invalid",
        f"{first.stage} would refuse this {event_type}: {problem} {_FORCE}",
        stage=first.stage,
        event_type=event_type,
        problem=problem,
        location=[*first.location],
        more=len(more),
    )
