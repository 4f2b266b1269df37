"""Which Deployment does each part of a pipeline have, and how many of its pods may be away?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from farandole.operations.kubernetes.cluster_settings import FILES_FOLDER
from farandole.operations.kubernetes.config_maps import (
    SETTINGS,
    TOPOLOGY,
    TOPOLOGY_FOLDER,
    TOPOLOGY_KEY,
    settings_digest,
)
from farandole.operations.kubernetes.object_names import Manifest, ObjectNames
from farandole.operations.kubernetes.parts import METRICS, METRICS_PORT, Part

CONTAINER = "farandole"
USER = 10001  # of the image
DIGEST_ANNOTATION = "farandole/settings-digest"
_START_SECONDS = 300  # a cold node, a slow Kafka, many events to read


@dataclass(frozen=True, slots=True)
class PodSource:
    """What all pods of a pipeline are made of."""

    names: ObjectNames
    image: str
    environment: Mapping[str, str]
    """What their ConfigMap says."""
    secret: str | None = None
    """A Secret whose keys are variables."""
    secret_files: str | None = None
    """A Secret whose keys are files."""


def part_name(names: ObjectNames, part: Part) -> str:
    """Return the name of the objects of a part."""
    return names.part(part.component) if part.stage is None else names.stage(part.stage)


def deployment(source: PodSource, part: Part) -> Manifest:
    """Return the Deployment of a part."""
    names = source.names
    labels = names.labels(part.component, part.stage)
    selector = {"matchLabels": names.selector(part.component, part.stage)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": names.metadata(part_name(names, part), labels),
        "spec": {
            **({} if part.scaled else {"replicas": part.replicas}),
            "selector": selector,
            "strategy": _strategy(part),
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {DIGEST_ANNOTATION: settings_digest(source.environment)},
                },
                "spec": _pod(source, part, selector),
            },
        },
    }


def disruption_budgets(names: ObjectNames, parts: Iterable[Part]) -> Iterator[Manifest]:
    """Yield how many pods of a part a drain of nodes may end at once, for each part that may have
    several: with one, a budget would either say nothing or stop the drain."""
    for part in parts:
        if part.replicas > 1 or part.scaled:
            yield {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": names.metadata(
                    part_name(names, part), names.labels(part.component, part.stage)
                ),
                "spec": {
                    "maxUnavailable": 1,
                    "selector": {"matchLabels": names.selector(part.component, part.stage)},
                },
            }


def _strategy(part: Part) -> Manifest:
    if part.alone:
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def _pod(source: PodSource, part: Part, selector: Manifest) -> Manifest:
    return {
        "automountServiceAccountToken": False,
        # Variables of services are named like settings: FARANDOLE_WEB_PORT=tcp://…
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": part.grace_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": selector,
            }
        ],
        "containers": [_container(source, part)],
        "volumes": _volumes(source),
    }


def _container(source: PodSource, part: Part) -> Manifest:
    request, limit = part.memory
    variables = dict(part.environment)
    return {
        "name": CONTAINER,
        "image": source.image,
        "args": ["-f", f"{TOPOLOGY_FOLDER}/{TOPOLOGY_KEY}", *part.words],
        "envFrom": _environment_sources(source),
        **({"env": [{"name": n, "value": v} for n, v in variables.items()]} if variables else {}),
        "ports": [
            {"name": name, "containerPort": port}
            for name, port in {METRICS: METRICS_PORT, **part.ports}.items()
        ],
        "startupProbe": {
            **_probe("/healthz"), "periodSeconds": 5, "failureThreshold": _START_SECONDS // 5,
        },
        "livenessProbe": {
            **_probe("/healthz"), "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3,
        },
        "readinessProbe": {**_probe("/readyz"), "periodSeconds": 10, "timeoutSeconds": 5},
        "resources": {
            "requests": {"cpu": "50m", "memory": request},
            "limits": {"memory": limit},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            # The folder, not the file: an update does not reach a file that is mounted by itself.
            {"name": TOPOLOGY, "mountPath": TOPOLOGY_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 -- the pod's own
            *(
                [{"name": "files", "mountPath": FILES_FOLDER, "readOnly": True}]
                if source.secret_files is not None
                else []
            ),
        ],
    }  # fmt: skip


def _probe(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": METRICS}}


def _environment_sources(source: PodSource) -> list[Manifest]:
    settings = {"configMapRef": {"name": source.names.part(SETTINGS)}}
    if source.secret is None:
        return [settings]
    return [settings, {"secretRef": {"name": source.secret, "optional": True}}]


def _volumes(source: PodSource) -> list[Manifest]:
    volumes: list[Manifest] = [
        {"name": TOPOLOGY, "configMap": {"name": source.names.part(TOPOLOGY)}},
        {"name": "tmp", "emptyDir": {}},
    ]
    if source.secret_files is not None:
        # 0440: the group is fsGroup.
        secret = {"secretName": source.secret_files, "defaultMode": 0o440}
        volumes.append({"name": "files", "secret": secret})
    return volumes
