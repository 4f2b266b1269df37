"""Which stages does somebody ask to be restarted?"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from farandole.broker.broker_errors import BrokerError
from farandole.broker.settings import Settings
from farandole.broker.table_follower import follow_table
from farandole.events.control_documents import RestartDocument, parse_control_or_none
from farandole.services.supervisor import Supervisor

log = structlog.get_logger()

_REOPEN_SECONDS = 5.0  # after Kafka could not be read


async def follow_restart_orders(supervisor: Supervisor, settings: Settings, pipeline: str) -> None:
    """Restart services as control documents order it, until cancelled. An order that is there at
    the start is none to processes that have started since."""
    executed: set[str] | None = None
    reported = ""
    while True:
        try:
            async with follow_table(settings, settings.names.control_topic) as follower:
                while True:
                    orders = _orders(follower.rows.values(), pipeline)
                    for order in orders:
                        if executed is not None and order.id not in executed:
                            log.info("restart.ordered", stage=order.stage, by=order.by)
                            supervisor.restart({order.stage} if order.stage else None)
                    executed = (executed or set()) | {order.id for order in orders}
                    await follower.next_change()
        except BrokerError as error:
            if str(error) != reported:  # not every few seconds, where a right is missing for good
                reported = str(error)
                log.warning("restart.unread", why=reported)
            await asyncio.sleep(_REOPEN_SECONDS)


def _orders(values: Iterable[bytes], pipeline: str) -> list[RestartDocument]:
    found = map(parse_control_or_none, values)
    return [d for d in found if isinstance(d, RestartDocument) and d.pipeline == pipeline]
