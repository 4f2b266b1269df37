"""Events of a pipeline that knows an address of somebody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from farandole.events.kafka_names import KafkaNames
from farandole.events.topology_version import Version
from tests.router.made import derived

SCHEMA = {
    "type": "object",
    "properties": {"email": {"type": "string", "personal": True}, "cents": {"type": "integer"}},
}


def version(key: str | None = None) -> Version:
    made = derived(KafkaNames())
    read = made.events["line.read"].model_copy(update={"data_schema": SCHEMA, "key": key})
    return Version(
        pipeline="p",
        version=1,
        installation=UUID(int=7),
        published=datetime(2026, 11, 24, tzinfo=UTC),
        published_by="a test",
        events={**made.events, "line.read": read},
        stages=made.stages,
    )


class MadeRecord:
    """A record; without headers as kcat writes it."""

    def __init__(
        self,
        offset: int,
        value: bytes | None,
        key: bytes | None = b"ann@x",
        headers: Sequence[tuple[str, bytes]] = (),
        topic: str = "p.line.read",
    ) -> None:
        self.topic, self.partition, self.offset = topic, 0, offset
        self.key, self.value, self.timestamp = key, value, 1_800_000_000_000
        self.timestamp_type = 0
        self.headers = headers


def binary_headers(**attributes: str) -> list[tuple[str, bytes]]:
    """The headers of a CloudEvent with further attributes."""
    usual = {"specversion": "1.0", "id": "1", "source": "till", "type": "line.read"}
    return [(f"ce_{name}", text.encode()) for name, text in (usual | attributes).items()]
