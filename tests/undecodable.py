"""How is a record made that no client of ours can decode?"""

from __future__ import annotations

from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy


class _Named(str):
    """A header name that is not UTF-8 on the wire."""

    def encode(self, *_: Any) -> bytes:
        return b"\xff\xfe"


def undecodable(client: AIOKafkaProducer, value: bytes, key: bytes | None = None) -> Any:
    """A batch of one record, one of whose headers has a name that is not UTF-8, for a producer that
    is not idempotent. aiokafka's compiled encoder writes none: its Python twin can be misled."""
    batch = client.create_batch()
    batch._builder = _DefaultRecordBatchBuilderPy(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2**16,
    )
    batch.append(key=key, value=value, timestamp=None, headers=[(_Named("name"), b"")])
    return batch
