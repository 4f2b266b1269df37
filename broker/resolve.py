"""Which broker is meant: the user's own, or the embedded one of this folder?"""

from __future__ import annotations

from pathlib import Path

from farandole.broker import embedded
from farandole.broker.errors import BadSettings, Unreachable
from farandole.broker.java import Progress
from farandole.broker.settings import PREFIX, Settings


async def resolve(settings: Settings, folder: Path, *, start: bool, progress: Progress) -> Settings:
    """The settings with their `bootstrap` filled in: the user's, else the address of the embedded
    broker of `folder`, which is started where `start` says so. Raises BadSettings, Unreachable and
    what `embedded.start` raises."""
    if settings.bootstrap is not None:
        return settings
    for name, given in (("TLS", settings.tls), ("SASL_MECHANISM", settings.sasl_mechanism)):
        if given:
            raise BadSettings(
                f"{PREFIX}{name} is for a broker of your own: say where it is in"
                f" {PREFIX}BOOTSTRAP; the embedded one has no use for it"
            )
    running = await embedded.start(folder, progress=progress) if start else embedded.status(folder)
    if running is None:
        raise Unreachable("Kafka is not running; start it: farandole kafka start")
    # One node cannot hold more than one replica.
    factor = settings.replication_factor or 1
    return settings.model_copy(update={"bootstrap": running.address, "replication_factor": factor})
