"""What do the checks of a topology file look at?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farandole.events.kafka_names import KafkaNames
from farandole.router.file_model import TopologyFile, yaml_path
from farandole.router.lint_finding import Finding, Severity
from farandole.router.yaml_source import KeyPath, YamlDocument
from farandole.stages.function_signature import StageSignature


@dataclass(frozen=True, slots=True)
class LintContext:
    document: YamlDocument
    topology: TopologyFile
    signatures: Mapping[str, StageSignature]
    """Of the stages whose function could be read; the others have findings already."""
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
        """A finding at a path of the topology."""
        there = yaml_path(self.document, path)
        if path[2:3] == ("subscribes",) and len(path) == 4:
            on_key = len(there) > 3 and isinstance(there[-1], str)  # in a mapping it is a key
        return self.document.finding(there, message, remedy, on_key=on_key, severity=severity)
