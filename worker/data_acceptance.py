"""Which data do the stages that subscribe to an event type refuse?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from pydantic import ValidationError

from farandole.events.envelope import trigger_headers
from farandole.events.root_record import TRIGGER_SOURCE
from farandole.events.topology_version import Version
from farandole.stages.cel_expression import Undecided
from farandole.stages.function_loader import add_to_import_path, load_stage_function
from farandole.worker.codecs import input_decoder
from farandole.worker.output_routing import bind_outputs
from farandole.worker.row_gate import ROW_ERRORS


class DataProblem(NamedTuple):
    """Why a stage would refuse the data."""

    stage: str
    location: Sequence[str | int]
    """Where in the data; empty for the data as a whole."""
    message: str


def data_problems(
    folder: Path, version: Version, event_type: str, data: bytes
) -> Iterator[DataProblem]:
    """Judge and decode the data as each subscriber will, and yield what is refused. Data that are
    refused here would become a dead letter there, or wait until a person decides. `folder` is
    where the stages' functions are imported from. Raises UnusableFunctionError."""
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
                if bound.row_gate is not None:
                    bound.row_gate(data, None)
                (bound.member_decode or input_decoder(signature))(data)
        except (Undecided, *ROW_ERRORS) as refused:
            yield DataProblem(stage, (), str(refused))
        except ValidationError as error:
            for each in error.errors(include_url=False, include_context=False, include_input=False):
                yield DataProblem(stage, each["loc"], each["msg"])
