"""Is a topology file fit to be applied, and what is wrong with it?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from farandole.events.kafka_names import KafkaNames
from farandole.router import file_model, yaml_source
from farandole.router.check_function_loader import load_check_functions
from farandole.router.file_model import TopologyFile
from farandole.router.import_lint import lint_imports
from farandole.router.lint import lint_topology
from farandole.router.lint_finding import Finding, error_findings, sorted_findings, with_code
from farandole.router.signature_loader import load_signatures
from farandole.router.yaml_source import YamlDocument
from farandole.stages.function_signature import StageSignature


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """All that is known about a file. It may be applied only if `is_fit`."""

    findings: list[Finding]
    document: YamlDocument | None = None
    topology: TopologyFile | None = None
    signatures: dict[str, StageSignature] = field(default_factory=dict)

    @property
    def is_fit(self) -> bool:
        """True if the file could be read, and no finding is an error."""
        return self.topology is not None and not error_findings(self.findings)


def check_topology_file(
    file: Path,
    names: KafkaNames,
    folder: Path | None = None,
    *,
    remedy: str = "say where it is with `-C DIR`",
) -> CheckedFile:
    """Read a file, import the functions that it names, check everything, and return what was found.
    Raises nothing.

    `folder` contains the functions; None means the folder of the file. `remedy` is shown if the
    file cannot be read.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        return CheckedFile([unreadable_file_finding(file, error, remedy)])
    document, syntax = yaml_source.read_yaml(raw, str(file))
    findings = with_code(syntax, "yaml")
    if document is None:
        return CheckedFile(findings)
    topology, problems = file_model.read_topology_file(document)
    findings += with_code(problems, "values")
    if topology is None:
        return CheckedFile(sorted_findings(findings), document)
    folder = folder or file.parent
    loaded = load_signatures(document, topology, folder)
    findings += with_code(loaded.findings, "functions")
    findings += with_code(load_check_functions(document, topology), "functions")
    findings += lint_topology(document, topology, loaded.signatures, names)
    findings += with_code(lint_imports(document, topology, folder), "modules")
    return CheckedFile(sorted_findings(findings), document, topology, loaded.signatures)


def unreadable_file_finding(file: Path, error: OSError, remedy: str) -> Finding:
    """Return the finding about a file that does not exist or may not be read."""
    reason = error.strerror or type(error).__name__
    message = f"the file cannot be read ({reason})"
    return Finding(str(file), 1, 1, message, remedy, code="unreadable")
