"""Is a topology file fit to be applied?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from farandole.events.kafka_names import KafkaNames
from farandole.router import file_model, yaml_source
from farandole.router.file_model import TopologyFile
from farandole.router.import_lint import lint_imports
from farandole.router.lint import lint_topology
from farandole.router.lint_finding import Finding, error_findings, sorted_findings
from farandole.router.signature_loader import load_signatures
from farandole.router.yaml_source import YamlDocument
from farandole.stages.function_signature import StageSignature


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """All that is known about a file; fit to be applied only if `fit`."""

    findings: list[Finding]
    document: YamlDocument | None = None
    form: TopologyFile | None = None
    signatures: dict[str, StageSignature] = field(default_factory=dict)

    @property
    def fit(self) -> bool:
        """There is a form, and no finding is an error."""
        return self.form is not None and not error_findings(self.findings)


def check_topology_file(
    file: Path,
    names: KafkaNames,
    folder: Path | None = None,
    *,
    remedy: str = "say where it is with `-C DIR`",
) -> CheckedFile:
    """Read a file, import the functions that it names and lint it all. Raises nothing.

    `folder` is where the functions are; None: where the file is. `remedy` is for a file that
    cannot be read.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        return CheckedFile([unreadable_file_finding(file, error, remedy)])
    read, findings = yaml_source.read_yaml(raw, str(file))
    if read is None:
        return CheckedFile(findings)
    written, wrong = file_model.read_topology_file(read)
    findings = [*findings, *wrong]
    if written is None:
        return CheckedFile(sorted_findings(findings), read)
    folder = folder or file.parent
    loaded = load_signatures(read, written, folder)
    linted = lint_topology(read, written, loaded.signatures, names)
    shadows = lint_imports(read, written, folder)
    return CheckedFile(
        sorted_findings([*findings, *loaded.findings, *linted, *shadows]),
        read,
        written,
        loaded.signatures,
    )


def unreadable_file_finding(file: Path, error: OSError, remedy: str) -> Finding:
    """The finding about a file that is not there, or not for us."""
    reason = error.strerror or type(error).__name__
    return Finding(str(file), 1, 1, f"the file cannot be read ({reason})", remedy)
