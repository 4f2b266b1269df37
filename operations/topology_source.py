"""What is in a topology file: the pipeline's name, the model, the findings?"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farandole.operations.errors import RefusedError, query

if TYPE_CHECKING:  # each takes long to import: completion reads a file's model without most of them
    from farandole.broker.settings import Settings
    from farandole.events.kafka_names import KafkaNames
    from farandole.router.file_model import TopologyFile
    from farandole.router.lint_finding import Finding
    from farandole.router.topology_derivation import DerivedTopology
    from farandole.router.topology_file_check import CheckedFile
    from farandole.router.yaml_source import YamlDocument

_PIPELINE_LINE = re.compile(
    r"""^pipeline:[ \t]+(["']?)([\w.-]+)\1[ \t\r]*(?:#.*)?$""", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class TopologySource:
    """A topology file and the folder that its functions are imported from."""

    file: Path
    folder: Path | None
    """None if the functions are beside the file."""
    remedy: str = "write the path of a topology file"
    """The remedy that a finding names if the file cannot be read."""


@dataclass(frozen=True, slots=True)
class Derivation:
    """The topology that a file describes, and the warnings about the file."""

    derived: DerivedTopology
    warnings: tuple[Finding, ...]


def check_topology(source: TopologySource, names: KafkaNames) -> CheckedFile:
    """Return the file, its functions and all findings about both. Needs no broker. Raises
    nothing."""
    from farandole.router.topology_file_check import check_topology_file

    return check_topology_file(source.file, names, source.folder, remedy=source.remedy)


def derive_topology_from(source: TopologySource, names: KafkaNames) -> Derivation:
    """Return the topology that the file describes, if it is fit to be applied. Needs no broker.
    Otherwise raises RefusedError (`findings`), with a line for each finding."""
    from farandole.router.topology_derivation import derive_topology

    checked = check_topology(source, names)
    if not checked.is_fit or checked.topology is None:
        raise findings_error(checked.findings)
    derived = derive_topology(checked.topology, checked.signatures, names)
    return Derivation(derived, tuple(checked.findings))


def read_model(source: TopologySource) -> TopologyFile:
    """Return the model of the file; none of its functions is imported. Raises RefusedError
    (`findings`)."""
    from farandole.router import file_model

    document, findings = _read_document(source)
    if document is not None:
        model, errors = file_model.read_topology_file(document)
        if model is not None:
            return model
        findings = [*findings, *errors]
    raise findings_error(findings)


@query
async def find_pipeline_name(
    settings: Settings, source: TopologySource
) -> tuple[str, list[Finding]]:
    """Return the pipeline's name and warnings, even if the rest of the file is wrong.

    If the file cannot be read, the name comes from its line `pipeline: NAME`, or is that of the
    only published pipeline; then the warnings say what is wrong with the file. Raises RefusedError
    (`findings`) if neither gives a name.
    """
    from farandole.router.topology_store import read_topology

    document, findings = _read_document(source)
    name = document.data.get("pipeline") if document is not None else None
    if isinstance(name, str):
        return name, []
    if document is not None:
        findings = [document.finding((), "the file has no 'pipeline'", "add `pipeline:`")]
    line = _PIPELINE_LINE.search(_readable_text(source.file)) if document is None else None
    published = [] if line else (await read_topology(settings)).pipelines()
    if not line and len(published) != 1:
        raise findings_error(findings)
    warnings = [replace(finding, severity="warning") for finding in findings]
    return (line[2] if line else published[0]), warnings


def findings_error(findings: list[Finding]) -> RefusedError:
    """Return the error with these findings, one line each."""
    return RefusedError(
        "findings",
        details=[str(finding) for finding in findings],
        findings=[finding.as_json() for finding in findings],
    )


def _read_document(source: TopologySource) -> tuple[YamlDocument | None, list[Finding]]:
    from farandole.router import yaml_source

    try:
        return yaml_source.read_yaml(source.file.read_bytes(), str(source.file))
    except OSError as error:
        from farandole.router.topology_file_check import unreadable_file_finding

        return None, [unreadable_file_finding(source.file, error, source.remedy)]


def _readable_text(file: Path) -> str:
    """Return the readable beginning of the file; an empty text if nothing can be read."""
    try:
        return file.read_text("utf-8-sig", errors="replace")
    except OSError:
        return ""
