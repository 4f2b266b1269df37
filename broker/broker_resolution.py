"""Which broker is used: the user's own, or the embedded one of this folder?"""

from __future__ import annotations

from pathlib import Path

from farandole.broker import embedded_kafka
from farandole.broker.broker_errors import InvalidSettingsError, UnreachableError
from farandole.broker.java_runtime import ProgressReporter
from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.events.next_step import NextStep


async def resolve_broker(
    settings: Settings, folder: Path, *, start: bool, progress: ProgressReporter
) -> Settings:
    """Return the settings with `bootstrap` set: the user's own address, or that of the embedded
    broker of `folder`. With the latter they have its `cluster_id`, because something else may
    answer there. With `start` the embedded broker is started if it does not run. Raises
    InvalidSettingsError, UnreachableError and the errors of `start_embedded`."""
    if settings.bootstrap is not None:
        return settings
    for name, given in (("TLS", settings.tls), ("SASL_MECHANISM", settings.sasl_mechanism)):
        if given:
            raise InvalidSettingsError(
                f"{ENV_PREFIX}{name} is for a broker of your own: say where it is in"
                f" {ENV_PREFIX}BOOTSTRAP; the embedded one has no use for it"
            )
    running = (
        await embedded_kafka.start_embedded(folder, progress=progress)
        if start
        else embedded_kafka.embedded_status(folder)
    )
    if running is None:
        raise UnreachableError(not_running_text(folder), NextStep("start it", ("kafka", "start")))
    # One node cannot have more than one replica of a partition; of three, each has one.
    factor = settings.replication_factor or running.size
    return settings.model_copy(
        update={
            "bootstrap": running.address,
            "cluster_id": running.cluster_id,
            "replication_factor": factor,
        }
    )


def not_running_text(folder: Path) -> str:
    """Return that the folder's Kafka does not run, and why if it has ended by itself."""
    reason = embedded_kafka.death_notice(folder)
    return "Kafka is not running" if reason is None else f"Kafka has died ({reason})"
