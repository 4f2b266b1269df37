"""What does each check of a topology file get?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from farandole.events.kafka_names import KafkaNames
from farandole.router.file_model import TopologyFile, yaml_path
from farandole.router.lint_finding import Finding, Severity
from farandole.router.yaml_source import KeyPath, YamlDocument
from farandole.stages.function_signature import StageSignature


@dataclass(frozen=True, slots=True)
class LintContext:
    """A file that can be read, and what is known about its functions."""

    document: YamlDocument
    topology: TopologyFile
    signatures: Mapping[str, StageSignature]
    """Signatures by stage. Stages whose function could not be read are missing: they have findings
    already."""
    names: KafkaNames

    def finding(
        self,
        path: KeyPath,
        message: str,
        remedy: str,
        *,
        on_key: bool = False,
        severity: Severity = "error",
    ) -> Finding:
        """Return a finding at a path of the model."""
        document_path = yaml_path(self.document, path)
        if path[2:3] == ("subscribes",) and len(path) == 4:
            # In a mapping the event type is a key.
            on_key = len(document_path) > 3 and isinstance(document_path[-1], str)
        return self.document.finding(
            document_path, message, remedy, on_key=on_key, severity=severity
        )

    def text_finding(self, path: KeyPath, column: int, message: str, remedy: str) -> Finding:
        """Return a finding at a character of the text at a path of the model, counted from 1."""
        return self.document.text_finding(yaml_path(self.document, path), column, message, remedy)


LintRule = Callable[[LintContext], Iterator[Finding]]
"""One check of a file. The name it is registered under is the `code` of its findings."""
