"""How does a new stage get its function, its model and its entry in the topology file?"""

from __future__ import annotations

import keyword
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from importlib.util import cache_from_source
from pathlib import Path

from pydantic import BaseModel

from farandole.events.kafka_names import EVENT_TYPE_PATTERN, STAGE_PATTERN, KafkaNames
from farandole.operations.errors import InvalidRequestError, RefusedError
from farandole.operations.names import require_known
from farandole.operations.results import Result
from farandole.operations.setup.new_files import write_new_files
from farandole.operations.setup.stage_stub import stub_code
from farandole.operations.topology_source import TopologySource, check_topology, findings_error
from farandole.router.file_model import TopologyFile
from farandole.router.lint_finding import Finding
from farandole.router.schema_propagation import schema_consumers, schema_producers
from farandole.router.stage_insertion import NoPlaceError, insert_stage
from farandole.router.topology_file_check import CheckedFile


@dataclass(frozen=True, slots=True)
class NewStageRequest:
    """A pipeline's file, and what the new stage subscribes to and emits."""

    topology: TopologySource
    stage: str
    after: str
    emits: str | None = None
    """None for a stage at the end of its path."""


class NewStageResult(Result):
    """What was written."""

    stage: str
    run: str
    """`package.module:function`."""
    module: str
    """The new file with the function."""
    topology: str
    """The changed file."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the function goes."""

    module: str
    function: str
    needs_run: bool
    """False if the file's `package` leads to it."""

    @property
    def run(self) -> str:
        return f"{self.module}:{self.function}"

    @property
    def path(self) -> Path:
        """The module's file in the pipeline's folder."""
        return Path(*self.module.split(".")).with_suffix(".py")


def add_stage(request: NewStageRequest, names: KafkaNames) -> NewStageResult:
    """Write a function that hands on what it gets, a model of its output, and the stage's entry as
    the last one of the file, whose other lines stay as they are. No broker is needed.

    The result is linted first: if that finds anything new, nothing is written. Raises
    InvalidRequestError, NotFoundError, RefusedError (`findings`, `files_in_the_way`,
    `file_unusable`).
    """
    source = request.topology
    file = source.file
    folder = source.folder or file.parent
    checked = check_topology(source, names)
    if not checked.is_fit or checked.topology is None:
        raise findings_error(checked.findings)
    _require_new_names(request, checked.topology)
    place = _place(checked.topology, request.stage)
    settings = {"subscribes": request.after}
    settings |= {"emits": request.emits} if request.emits else {}
    settings |= {"run": place.run} if place.needs_run else {}
    try:
        changed = insert_stage(file.read_bytes(), request.stage, settings)
    except NoPlaceError as error:
        raise RefusedError("file_unusable", f"{file}: {error}", file=str(file)) from None
    taken = _event_model(request.after, checked)
    given = _event_model(request.emits, checked) if request.emits else None
    code = stub_code(request.stage, place.function, taken, request.emits, given)
    write_new_files(folder, {place.path: code.encode()})
    try:
        _require_no_new_findings(source, changed, names, checked.findings)
        _replace_file(file, changed)
    except BaseException:
        (folder / place.path).unlink()
        Path(cache_from_source(str(folder / place.path))).unlink(missing_ok=True)
        raise
    return NewStageResult(
        stage=request.stage, run=place.run, module=str(folder / place.path), topology=str(file)
    )


def _require_new_names(request: NewStageRequest, topology: TopologyFile) -> None:
    require_known(request.after, topology.event_types(), "event type", "unknown_event_type")
    function = request.stage.replace("-", "_")
    if not STAGE_PATTERN.fullmatch(request.stage) or keyword.iskeyword(function):
        raise InvalidRequestError(
            "invalid_request",
            f"{request.stage!r} is no stage name: a lowercase word, with single dashes or "
            "underscores, that Python does not reserve",
        )
    if request.stage in topology.stages:
        raise InvalidRequestError("invalid_request", f"there is a stage {request.stage!r} already")
    if request.emits is not None and not EVENT_TYPE_PATTERN.fullmatch(request.emits):
        raise InvalidRequestError(
            "invalid_request",
            f"{request.emits!r} is no event type: lowercase words with dots or dashes between",
        )


def _place(topology: TopologyFile, stage: str) -> _Place:
    """Return the module of a new stage: in the file's package, else beside the function of another
    stage."""
    name = stage.replace("-", "_")
    if topology.package:
        return _Place(f"{topology.package}.{name}", name, needs_run=False)
    runs = (topology.function(other) for other in topology.stages)
    modules = [
        run.partition(":")[0] for run in runs if run and not run.startswith("stages.generic.")
    ]
    package = modules[0].rpartition(".")[0] if modules else ""
    return _Place(f"{package}.{name}" if package else name, name, needs_run=True)


def _require_no_new_findings(
    source: TopologySource, changed: bytes, names: KafkaNames, before: list[Finding]
) -> None:
    """Raise RefusedError (`findings`) if the changed file has a finding, error or warning, that the
    present one has not."""
    known = {finding.message for finding in before}
    with tempfile.TemporaryDirectory() as draft:
        file = Path(draft) / source.file.name
        file.write_bytes(changed)
        folder = source.folder or source.file.parent
        checked = check_topology(TopologySource(file, folder, source.remedy), names)
    new = [
        replace(finding, file=str(source.file))
        for finding in checked.findings
        if finding.message not in known
    ]
    if new:
        raise findings_error(new)


def _replace_file(file: Path, content: bytes) -> None:
    """Replace a file at once: who follows its saves must not read half of it."""
    file = file.resolve()
    draft = file.with_name(f".{file.name}.new")
    try:
        draft.write_bytes(content)
        shutil.copymode(file, draft)
        os.replace(draft, file)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RefusedError(
            "file_unusable", f"{file}: {error.strerror}; nothing was written", file=str(file)
        ) from None


def _event_model(event_type: str, checked: CheckedFile) -> type[BaseModel] | None:
    """Return the model of an event that other stages emit or, if none does, take; None if there is
    none, or not one alone, that can be imported by its name."""
    assert checked.topology is not None
    topology, signatures = checked.topology, checked.signatures
    found = {t for _, types in schema_producers(topology, signatures, event_type) for t in types}
    found = found or {t for _, t in schema_consumers(topology, signatures, event_type)}
    if len(found) != 1:
        return None
    (model,) = found
    is_model = isinstance(model, type) and issubclass(model, BaseModel)
    return model if is_model and model.__qualname__.isidentifier() else None
