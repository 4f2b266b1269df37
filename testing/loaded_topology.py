"""Which version and which functions does a topology file give, without a Kafka?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import StageSpec, Version
from farandole.router.lint_finding import Finding
from farandole.router.topology_derivation import derive_topology, make_version
from farandole.router.topology_file_check import check_topology_file
from farandole.stages.function_loader import StageFunction, load_stage_function

_INSTALLATION = UUID(int=0)  # the same ids in every run
_LEDGER_PARTITIONS = 1


class TopologyError(Exception):
    """The topology file is not fit to be applied. The message has a line for each finding, as
    `farandole lint` prints it."""

    def __init__(self, findings: Collection[Finding]) -> None:
        super().__init__("\n".join(str(finding) for finding in findings))
        self.findings = findings


@dataclass(frozen=True, slots=True)
class LoadedTopology:
    """A version as a router would publish it, and the functions of its stages."""

    version: Version
    functions: Mapping[str, StageFunction]
    resting: Mapping[str, StageSpec]
    """The stages of the file that are not in the version: they do not run."""


def load_topology(
    file: Path,
    folder: Path | None,
    names: KafkaNames,
    runs: Callable[[str, StageSpec], bool],
) -> LoadedTopology:
    """Read, check and derive a file as the router does. The version has only the stages for which
    `runs` returns True, and no external one. Raises TopologyError."""
    checked = check_topology_file(file, names, folder)
    if not checked.is_fit or checked.topology is None:
        raise TopologyError(checked.findings)
    derived = derive_topology(checked.topology, checked.signatures, names)
    stages = derived.stages.items()
    running = {name: spec for name, spec in stages if not spec.external and runs(name, spec)}
    resting = {name: spec for name, spec in stages if name not in running}
    version = make_version(
        derived,
        number=1,
        installation=_INSTALLATION,
        published_by="a test",
        ledger=_LEDGER_PARTITIONS,
    )
    version = version.model_copy(
        update={
            "stages": running,
            "events": {
                name: event.model_copy(update={"boundaries": (0,) * event.partitions})
                for name, event in version.events.items()
            },
        }
    )
    functions = {name: load_stage_function(spec.run) for name, spec in running.items()}
    return LoadedTopology(version, functions, resting)
