"""Are data valid for all stages that subscribe to an event type?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ValidationError

from farandole.events.envelope import trigger_headers
from farandole.events.root_record import TRIGGER_SOURCE
from farandole.events.topology_version import Version
from farandole.operations.errors import RefusedError
from farandole.stages.cel_expression import Undecided
from farandole.stages.function_loader import add_to_import_path, load_stage_function
from farandole.worker.codecs import input_decoder
from farandole.worker.output_routing import bind_outputs

_FORCE = "(--force publishes it all the same)"


def require_valid_data(folder: Path, version: Version, event_type: str, data: bytes) -> None:
    """Decode the data as each subscriber will. Data that are refused here would become a dead
    letter there. `folder` is where the stages' functions are imported from. Raises RefusedError
    (`data_invalid`) and UnusableFunctionError."""
    add_to_import_path(folder)
    attributes = {
        name.removeprefix("ce_"): value.decode()
        for name, value in trigger_headers(
            TRIGGER_SOURCE, event_type, str(uuid4()), datetime.now(UTC)
        )
        if name.startswith("ce_")
    }
    for stage in version.subscribers(event_type):
        if version.stages[stage].external:
            continue  # its code is elsewhere
        signature = load_stage_function(version.stages[stage].run).signature
        bound = bind_outputs(version, event_type, stage, signature)
        assert bound is not None  # it subscribes
        try:
            if bound.accepts is None or bound.accepts(data, attributes):
                (bound.member_decode or input_decoder(signature))(data)
        except Undecided as undecided:
            raise _data_error(stage, event_type, str(undecided)) from None
        except ValidationError as error:
            first, *more = error.errors(include_url=False, include_context=False)
            where = ".".join(map(str, first["loc"])) or "data"
            rest = f", and {len(more)} more" if more else ""
            raise _data_error(
                stage,
                event_type,
                f"{where}: {first['msg']}{rest}",
                location=[*first["loc"]],
                more=len(more),
            ) from None


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


def _data_error(stage: str, event_type: str, problem: str, **fields: Any) -> RefusedError:
    return RefusedError(
        "data_invalid",
        f"{stage} would refuse this {event_type}: {problem} {_FORCE}",
        stage=stage,
        event_type=event_type,
        problem=problem,
        **fields,
    )
