"""Do the books say how runs stand now?"""

from __future__ import annotations

import time
from collections.abc import Callable

from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.consumer_lag import has_older_unread, unread_entries
from farandole.events.kafka_names import KafkaNames
from farandole.events.ledger_entry import LEDGER_LAG_SECONDS

_FRESH_SECONDS = 5.0  # for which an answer is not asked for again
_LONGEST_AGE = 30.0  # seconds after which an answer says nothing any more


class BooksLag:
    """Whether the bookkeeper lags, asked of Kafka at most every few seconds."""

    def __init__(self, names: KafkaNames, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._names = names
        self._monotonic = monotonic
        self._answer: tuple[float, bool] | None = None

    @property
    def are_behind(self) -> bool:
        """True if an entry is unread for longer than LEDGER_LAG_SECONDS, or if nobody knows."""
        if self._answer is None:
            return True
        asked, behind = self._answer
        return behind or self._monotonic() - asked > _LONGEST_AGE

    @property
    def is_due(self) -> bool:
        """True if Kafka is to be asked again."""
        return self._answer is None or self._monotonic() - self._answer[0] > _FRESH_SECONDS

    async def ask(self, admin: ClusterAdmin) -> None:
        """Ask Kafka. Raises BrokerError."""
        asked = self._monotonic()
        unread = await unread_entries(admin, self._names)
        behind = unread is None or await has_older_unread(admin, unread, LEDGER_LAG_SECONDS)
        self._answer = asked, behind
