"""Which function does each stage of a file run, and what is its signature?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farandole.router.declared_schemas import external_signature
from farandole.router.file_model import TopologyFile
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import YamlDocument
from farandole.stages.function_loader import (
    UnusableFunctionError,
    add_to_import_path,
    load_stage_function,
)
from farandole.stages.function_signature import StageSignature


@dataclass(frozen=True, slots=True)
class LoadedSignatures:
    """The signatures of the stages whose function can be used, and findings about the others."""

    signatures: dict[str, StageSignature]
    findings: list[Finding]


def load_signatures(
    document: YamlDocument, topology: TopologyFile, folder: Path
) -> LoadedSignatures:
    """Import the functions of a file, with `folder` on the import path.

    This runs the top level of the user's modules; whatever they raise becomes a finding.
    """
    add_to_import_path(folder)
    signatures: dict[str, StageSignature] = {}
    findings: list[Finding] = []
    for stage in topology.stages:
        written = topology.stages[stage].run is not None
        path = ("stages", stage, "run") if written else ("stages", stage)
        run = topology.function(stage)
        if topology.stages[stage].external:
            signatures[stage], problems = external_signature(document, topology, stage, folder)
            findings += problems
            continue
        try:
            if run is None:
                raise UnusableFunctionError(
                    f"nothing says where the function of stage {stage!r} is",
                    "add `package:` to the file, or `run:` to the stage",
                )
            signatures[stage] = load_stage_function(run).signature
        except UnusableFunctionError as error:
            finding = document.finding(path, error.problem, error.remedy, on_key=not written)
            findings.append(finding)
    return LoadedSignatures(signatures, findings)
