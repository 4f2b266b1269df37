"""Which Deployments has a pipeline, and how does each of them run?"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from farandole.broker.settings import ENV_PREFIX
from farandole.notifier.settings import NotifierSettings
from farandole.operations.setup.web_settings import DEFAULT_PORT
from farandole.router.topology_derivation import DerivedTopology

WORKER = "worker"
METRICS_PORT = 9464
MONITOR_PORT = 8077
WEB_PORT = DEFAULT_PORT
METRICS = "metrics"
"""The name of the port at which each process answers scrapes and probes."""
HTTP = "http"
"""The name of the port at which the monitor and the console answer."""
GRACE_SECONDS = 30  # a drain may take 20
_DRAIN_SECONDS = 20  # what a service takes at its end besides mails under way
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 -- a pod has its own


@dataclass(frozen=True, slots=True)
class Part:
    """The pods of one Deployment."""

    component: str
    words: tuple[str, ...]
    """The command, behind the options that lead to the pipeline."""
    replicas: int = 1
    stage: str | None = None
    alone: bool = False
    """True if no second process may run beside it, not even while one replaces the other."""
    scaled: bool = False
    """True if something else decides about the number of replicas."""
    grace_seconds: int = GRACE_SECONDS
    ports: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Beside the one of the metrics, by name."""
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    memory: tuple[str, str] = ("128Mi", "1Gi")
    """What a pod asks for, and at how much it is killed."""


SERVICES: Mapping[str, Part] = MappingProxyType(
    {
        part.component: part
        for part in (
            Part("router", ("route",), alone=True, memory=("192Mi", "1Gi")),
            Part("bookkeeper", ("keep-books",), replicas=2),
            Part("scheduler", ("keep-time",), replicas=2),
            Part("notifier", ("notify",), replicas=2),
            Part(
                "monitor",
                ("monitor",),
                alone=True,
                ports=MappingProxyType({HTTP: MONITOR_PORT}),
                environment=MappingProxyType(
                    {
                        f"{ENV_PREFIX}MONITOR_HOST": _ANY_ADDRESS,
                        f"{ENV_PREFIX}MONITOR_PORT": str(MONITOR_PORT),
                        f"{ENV_PREFIX}MONITOR_FOLDER": "/tmp",  # noqa: S108 -- the pod's own
                    }
                ),
            ),
            Part(
                "web",
                ("web",),
                ports=MappingProxyType({HTTP: WEB_PORT}),
                environment=MappingProxyType(
                    {
                        f"{ENV_PREFIX}WEB_HOST": _ANY_ADDRESS,
                        f"{ENV_PREFIX}WEB_PORT": str(WEB_PORT),
                    }
                ),
            ),
        )
    }
)
"""By component. Of the bookkeeper several share the work; of the scheduler and of the notifier one
works and the others stand by. A second console would need a token that both know."""

PROCESS_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        f"{ENV_PREFIX}METRICS_HOST": _ANY_ADDRESS,
        f"{ENV_PREFIX}METRICS_PORT": str(METRICS_PORT),
    }
)
"""What the environment of every container says."""


def hosted_stage_names(derived: DerivedTopology) -> list[str]:
    """Return the stages that workers host: all but those of programs of somebody else."""
    return [
        name for name, stage in derived.stages.items() if stage.is_relayed or not stage.external
    ]


def lane_count(derived: DerivedTopology, stage: str) -> int:
    """Return how many lanes a stage has: the partitions of its widest input."""
    types = derived.stages[stage].subscribes
    return max(derived.events[event_type].partitions for event_type in types)


def worker_parts(
    derived: DerivedTopology, replicas: Mapping[str, int], *, scaled: bool
) -> Iterator[Part]:
    """Yield the workers of each stage that is hosted. Where `replicas` says no number, there are as
    many as the file has processes."""
    for name in hosted_stage_names(derived):
        yield Part(
            WORKER,
            ("work", name, "--processes", "1"),
            replicas=replicas.get(name, derived.stages[name].processes),
            stage=name,
            scaled=scaled,
            memory=("192Mi", "3Gi"),  # a worker holds 2 GiB of data at most
        )


def service_parts(without: Collection[str], notifier: NotifierSettings) -> Iterator[Part]:
    """Yield the services beside the workers, but those in `without`."""
    for name, part in SERVICES.items():
        if name in without:
            continue
        if name == "notifier":
            seconds = math.ceil(_DRAIN_SECONDS + notifier.attempt_seconds)
            yield Part(
                part.component, part.words, part.replicas,
                grace_seconds=max(GRACE_SECONDS, seconds),
            )  # fmt: skip
        else:
            yield part
