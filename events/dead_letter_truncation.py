"""Which parts of a record are cut if it is too large for a dead letter?"""

from __future__ import annotations

from collections.abc import Sequence

from farandole.events.record import Header


def truncate_record(
    key: bytes | None, value: bytes | None, headers: list[Header], room: int
) -> tuple[bytes | None, bytes | None, list[Header], str]:
    """Return the key, value and headers that fit into `room` bytes, and a text that names what was
    cut."""
    cut = []
    if approximate_record_size(key, b"", headers) > room and headers:
        cut.append(f"headers: 0 of {len(headers)}")
        headers = []
    if key is not None and approximate_record_size(key, b"", headers) > room:
        whole, key = len(key), key[: max(0, room - approximate_record_size(None, b"", headers))]
        cut.append(f"key: {len(key)} of {whole} bytes")
    if value is not None and approximate_record_size(key, value, headers) > room:
        whole, value = (
            len(value),
            value[: max(0, room - approximate_record_size(key, b"", headers))],
        )
        cut.append(f"value: {len(value)} of {whole} bytes")
    return key, value, headers, "; ".join(cut)


def approximate_record_size(
    key: bytes | None, value: bytes | None, headers: Sequence[Header]
) -> int:
    """Return the bytes that a record takes; the lengths of its varints are estimated."""
    return (
        len(key or b"")
        + len(value or b"")
        + sum(len(name.encode()) + len(content or b"") + 8 for name, content in headers)
        + 32
    )
