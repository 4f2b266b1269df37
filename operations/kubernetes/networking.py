"""How do pods of a pipeline find each other, and who may connect to which of their ports?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farandole.operations.kubernetes.object_names import Manifest, ObjectNames
from farandole.operations.kubernetes.parts import HTTP, METRICS, METRICS_PORT, Part

_ANY_POD: Manifest = {"namespaceSelector": {}}
"""Every pod of the cluster, and nothing outside of it."""


def services(names: ObjectNames, parts: Sequence[Part]) -> Iterator[Manifest]:
    """Yield a Service for each part that answers others, and a headless one for all scrapes."""
    for part in parts:
        if HTTP in part.ports:
            yield _service(
                names,
                part.component,
                names.selector(part.component),
                {"type": "ClusterIP", "ports": [_port(HTTP, part.ports[HTTP])]},
            )
    yield _service(
        names,
        METRICS,
        names.selector(),
        {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,  # what is not ready is what a scrape must see
            "ports": [_port(METRICS, METRICS_PORT)],
        },
    )


def network_policies(names: ObjectNames, parts: Sequence[Part]) -> Iterator[Manifest]:
    """Yield who may connect: every pod of the cluster to the metrics and the console, only those of
    the pipeline to the monitor, which has no authentication. What pods connect to is not
    limited."""
    yield _policy(names, METRICS, names.selector(), METRICS, _ANY_POD)
    for part in parts:
        if HTTP in part.ports:
            own = {"podSelector": {"matchLabels": names.selector()}}
            source = own if part.component == "monitor" else _ANY_POD
            yield _policy(names, part.component, names.selector(part.component), HTTP, source)


def _port(name: str, number: int) -> Manifest:
    return {"name": name, "port": number, "targetPort": name}


def _service(
    names: ObjectNames, component: str, selector: dict[str, str], spec: Manifest
) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(names.part(component), names.labels(component)),
        "spec": {**spec, "selector": selector},
    }


def _policy(
    names: ObjectNames, component: str, selector: dict[str, str], port: str, source: Manifest
) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": names.metadata(names.part(component), names.labels(component)),
        "spec": {
            "podSelector": {"matchLabels": selector},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [source], "ports": [{"protocol": "TCP", "port": port}]}],
        },
    }
