"""How does a control document reach the running system?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farandole.broker.kafka_clients import make_producer, open_client, with_deadline
from farandole.broker.settings import Settings
from farandole.events.control_documents import ControlDocument, serialize_control
from farandole.events.controls_in_force import TimedDocument


async def publish_control(
    settings: Settings, document: ControlDocument, removed_keys: Sequence[bytes] = ()
) -> int:
    """Write a document to `farandole.control`, delete the documents under `removed_keys`, and
    return the offset of the document, its generation. Raises BrokerError."""
    removed = [(key, None) for key in removed_keys if key != document.key]
    rows = [(document.key, serialize_control(document)), *removed]
    return (await _write_rows(settings, rows))[0]


async def delete_controls(settings: Settings, keys: Sequence[bytes]) -> None:
    """Delete the documents under these keys. Raises BrokerError."""
    await _write_rows(settings, [(key, None) for key in keys])


def keys_about(documents: Mapping[bytes, TimedDocument], subject: tuple[str, ...]) -> list[bytes]:
    """Return the keys of the documents about a subject, which may be any: whoever writes a new one
    deletes them, so that nobody brings an old one back by deleting the new one. `documents`: by
    their keys."""
    return [
        key for key, each in documents.items() if getattr(each.control, "subject", None) == subject
    ]


async def _write_rows(settings: Settings, rows: Sequence[tuple[bytes, bytes | None]]) -> list[int]:
    """Write rows one after the other, and return their offsets."""
    topic, offsets = settings.names.control_topic, []
    async with open_client(make_producer(settings), settings) as writer:
        for key, value in rows:
            sent = writer.send_and_wait(topic, value, key=key, partition=0)
            placed = await with_deadline(sent, settings.deadline, f"writing to {topic}")
            offsets.append(placed.offset)
    return offsets
