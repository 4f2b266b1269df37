"""How do others take over the lanes of a process that has died, without waiting for its session?"""

from __future__ import annotations

import structlog

from farandole.broker.broker_errors import BrokerError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings

log = structlog.get_logger()


async def leave_groups(settings: Settings, client_id: str) -> None:
    """Let a dead process leave its consumer groups. Without that, whoever joins a group makes all
    of its members wait until the session of the dead one runs out. Raises nothing: if it fails, the
    session does run out."""
    try:
        async with ClusterAdmin.open(settings) as admin:
            groups = await admin.remove_members(client_id)
    except BrokerError as error:
        log.warning("service.still_member", client=client_id, why=str(error))
        return
    log.info("service.left", client=client_id, groups=groups)
