"""How does one command run all services of a pipeline: workers, router, bookkeeper and others?"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from farandole.broker.settings import Settings
from farandole.catalog.active_stages import hosted_stages
from farandole.catalog.published_versions import VersionsByNumber, follow_versions
from farandole.events.topology_version import Version
from farandole.services.companion_services import COMPANION_COMMANDS, companion_service
from farandole.services.invocation import Invocation
from farandole.services.pipeline_supervision import supervise_until_stopped
from farandole.services.supervisor import ServiceSpec
from farandole.services.worker_services import worker_services


async def host_pipeline(
    invocation: Invocation,
    settings: Settings,
    version: Version,
    *,
    log_level: str,
    pretty: bool,
    ready: Callable[[int], None],
    refuse_code: Callable[[str], None],
    announce_metrics: Callable[[str], None],
    console: Mapping[str, str],
    reload: bool = False,
) -> None:
    """Run every service of a pipeline until Ctrl-C or SIGTERM, then drain them.

    `version` is the one in force; later ones are followed. `pretty`: logs for a person. `ready` is
    called with the number of stages once every process lives. `console`: the environment of the web
    console, beside that of this process. `announce_metrics` gets the address of the metrics.
    `reload`: restart the processes whose code is saved; `refuse_code` is called with what is no
    Python. Raises QuarantinedError where all processes crashed again and again, and BrokerError.
    """

    def wanted_services(versions: VersionsByNumber) -> list[ServiceSpec]:
        return [
            *worker_services(
                settings, invocation.folder, versions, pretty=pretty, log_level=log_level
            ),
            *(
                companion_service(
                    invocation,
                    settings,
                    command,
                    level=log_level,
                    environment=console if command == "web" else None,
                )
                for command in COMPANION_COMMANDS
            ),
        ]

    async with follow_versions(settings, version.pipeline) as published:
        count = len(hosted_stages(published.versions))
        await supervise_until_stopped(
            settings,
            published,
            wanted_services,
            lambda: ready(count),
            pipeline=version.pipeline,
            folder=invocation.folder,
            announce_metrics=announce_metrics,
            reload=reload,
            refuse_code=refuse_code,
        )
