"""Which objects does a cluster need for the pipeline of a topology file?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from farandole.broker.settings import ENV_PREFIX
from farandole.events.kafka_names import KafkaNames
from farandole.notifier.settings import NotifierSettings
from farandole.operations.errors import InvalidRequestError
from farandole.operations.kubernetes.cluster_settings import GivenSettings, cluster_environment
from farandole.operations.kubernetes.config_maps import settings_config_map, topology_config_map
from farandole.operations.kubernetes.keda import scaling_objects
from farandole.operations.kubernetes.monitoring import service_monitor
from farandole.operations.kubernetes.networking import network_policies, services
from farandole.operations.kubernetes.object_names import Manifest, ObjectNames
from farandole.operations.kubernetes.parts import (
    MONITOR_PORT,
    PROCESS_ENVIRONMENT,
    SERVICES,
    hosted_stage_names,
    service_parts,
    worker_parts,
)
from farandole.operations.kubernetes.workloads import PodSource, deployment, disruption_budgets
from farandole.operations.names import require_known
from farandole.router.topology_derivation import DerivedTopology

MAX_REPLICAS = 1000
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_MAX_DNS_NAME = 253  # characters


@dataclass(frozen=True, slots=True)
class ManifestsRequest:
    """What is to be rendered, beside the file and the settings."""

    image: str
    cluster_namespace: str | None = None
    """The namespace in the cluster; None for whichever kubectl uses."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """By stage; without a number it has as many as the file has processes."""
    secret: str | None = None
    """A Secret whose keys are environment variables."""
    secret_files: str | None = None
    """A Secret whose keys are the files that settings name."""
    without: tuple[str, ...] = ()
    """Services that run elsewhere."""
    prometheus_operator: bool = False
    keda: bool = False


def render_manifests(
    request: ManifestsRequest,
    text: str,
    derived: DerivedTopology,
    given: GivenSettings,
    notifier: NotifierSettings,
) -> list[Manifest]:
    """Return the objects, in the order in which they are to be created. `text` is that of the
    topology file that `derived` was made of.

    Raises InvalidRequestError, NotFoundError (`unknown_stage`) and RefusedError (`settings_unfit`,
    `file_too_large`).
    """
    _require_valid(request, derived)
    kafka = KafkaNames(given.plain.get(f"{ENV_PREFIX}NAMESPACE", ""))
    names = ObjectNames(kafka.namespace, derived.pipeline, request.cluster_namespace)
    source = PodSource(
        names,
        request.image,
        _environment(request, given, names),
        request.secret,
        request.secret_files,
    )
    parts = [
        *service_parts(request.without, notifier),
        *worker_parts(derived, request.replicas, scaled=request.keda),
    ]
    return [
        topology_config_map(names, text),
        settings_config_map(names, source.environment),
        *network_policies(names, parts),
        *services(names, parts),
        *(deployment(source, part) for part in parts),
        *disruption_budgets(names, parts),
        *([service_monitor(names)] if request.prometheus_operator else []),
        *(scaling_objects(source, parts, derived, kafka, request.replicas) if request.keda else []),
    ]


def manifest_list(manifests: list[Manifest]) -> Manifest:
    """Return the objects as one document."""
    return {"apiVersion": "v1", "kind": "List", "items": manifests}


def _environment(
    request: ManifestsRequest, given: GivenSettings, names: ObjectNames
) -> dict[str, str]:
    environment = cluster_environment(
        given, secret=request.secret, secret_files=request.secret_files
    )
    own = dict(PROCESS_ENVIRONMENT)
    if "monitor" not in request.without:
        own[f"{ENV_PREFIX}MONITOR_URL"] = f"http://{names.part('monitor')}:{MONITOR_PORT}"
    if "web" not in request.without:
        own[f"{ENV_PREFIX}WEB_HOSTS"] = _console_hosts(given, names)
    return dict(sorted({**environment, **own}.items()))


def _console_hosts(given: GivenSettings, names: ObjectNames) -> str:
    """Return the names under which the console may be asked: those of the settings, and those of
    its Service."""
    host = names.part("web")
    found = [host]
    if names.cluster_namespace is not None:
        within = f"{host}.{names.cluster_namespace}"
        found += [within, f"{within}.svc", f"{within}.svc.cluster.local"]
    said = given.plain.get(f"{ENV_PREFIX}WEB_HOSTS", "").split(",")
    return ",".join(dict.fromkeys([*filter(None, said), *found]))


def _require_valid(request: ManifestsRequest, derived: DerivedTopology) -> None:
    if not request.image or request.image != request.image.strip() or " " in request.image:
        raise InvalidRequestError("invalid_request", f"{request.image!r} is no name of an image")
    namespace = request.cluster_namespace
    if namespace is not None and not _DNS_LABEL.fullmatch(namespace):
        raise InvalidRequestError(
            "invalid_request",
            f"{namespace!r} is no namespace of Kubernetes: use up to 63 lowercase letters, digits"
            " and dashes",
        )
    for secret in (request.secret, request.secret_files):
        if secret is not None and not (
            _DNS_NAME.fullmatch(secret) and len(secret) <= _MAX_DNS_NAME
        ):
            raise InvalidRequestError(
                "invalid_request",
                f"{secret!r} is no name of a Secret: use lowercase letters, digits, dashes and"
                " dots",
            )
    for service in request.without:
        require_known(service, SERVICES, "service", "unknown_object")
    for stage, count in request.replicas.items():
        require_known(stage, hosted_stage_names(derived), "stage that workers host")
        if not 0 < count <= MAX_REPLICAS:
            raise InvalidRequestError(
                "invalid_request",
                f"{stage}={count}: a stage has 1 to {MAX_REPLICAS} replicas",
            )
