"""How do tests render the objects of a pipeline, and find them?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from farandole.events.kafka_names import KafkaNames
from farandole.notifier.settings import NotifierSettings
from farandole.operations.kubernetes.cluster_settings import GivenSettings
from farandole.operations.kubernetes.manifests import ManifestsRequest, render_manifests
from farandole.operations.kubernetes.object_names import Manifest
from farandole.router.topology_derivation import DerivedTopology, derive_topology
from farandole.router.topology_file_check import check_topology_file

FILE = Path(__file__).parents[2] / "topology.yaml"
GIVEN = GivenSettings({"FARANDOLE_BOOTSTRAP": "kafka:9092"})
SECURED = GivenSettings(
    {
        "FARANDOLE_BOOTSTRAP": "kafka-1:9093,kafka-2:9093",
        "FARANDOLE_NAMESPACE": "blue",
        "FARANDOLE_SASL_MECHANISM": "SCRAM-SHA-512",
        "FARANDOLE_SASL_USERNAME": "farandole",
        "FARANDOLE_TLS": "true",
    },
    {
        "FARANDOLE_TLS_CA": "/home/ann/kafka-ca.pem",
        "FARANDOLE_TLS_CERT": "/home/ann/client.pem",
        "FARANDOLE_TLS_KEY": "/home/ann/client.key",
    },
    frozenset({"FARANDOLE_SASL_PASSWORD"}),
)
PLAIN = ManifestsRequest("example/pipeline:1")
FULL = ManifestsRequest(
    "example/pipeline:1",
    cluster_namespace="data",
    replicas={"load": 3},
    secret="passwords",
    secret_files="certificates",
    prometheus_operator=True,
    keda=True,
)


def derived(given: GivenSettings = GIVEN, **processes: int) -> DerivedTopology:
    """The shipped topology; some stages have other numbers of processes."""
    names = KafkaNames(given.plain.get("FARANDOLE_NAMESPACE", ""))
    checked = check_topology_file(FILE, names)
    assert checked.topology is not None
    made = derive_topology(checked.topology, checked.signatures, names)
    stages = {
        name: stage.model_copy(update={"processes": processes.get(name, 1)})
        for name, stage in made.stages.items()
    }
    return replace(made, stages=stages)


def rendered(
    request: ManifestsRequest = PLAIN,
    given: GivenSettings = GIVEN,
    topology: DerivedTopology | None = None,
    text: str | None = None,
) -> list[Manifest]:
    return render_manifests(
        request,
        FILE.read_text() if text is None else text,
        topology or derived(given),
        given,
        NotifierSettings(),
    )


def of_kind(kind: str, manifests: list[Manifest]) -> list[Manifest]:
    return [each for each in manifests if each["kind"] == kind]


def named(kind: str, name: str, manifests: list[Manifest]) -> Manifest:
    (found,) = (each for each in of_kind(kind, manifests) if each["metadata"]["name"] == name)
    return found


def pod_of(deployment: Manifest) -> Manifest:
    pod: Manifest = deployment["spec"]["template"]["spec"]
    return pod


def container_of(deployment: Manifest) -> Manifest:
    (container,) = pod_of(deployment)["containers"]
    found: Manifest = container
    return found


def values(part: Any) -> Iterator[Any]:
    """Every key and value that is no container of others."""
    if isinstance(part, dict):
        for key, inner in part.items():
            yield key
            yield from values(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from values(inner)
    else:
        yield part
