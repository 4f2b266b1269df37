"""In which form are the data of an event shown to a person?

The text is bounded, its numbers are as they are written, and what is personal is masked unless
somebody may see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from farandole.events.json_text import indent_json, parse_json, rewrite_json
from farandole.events.personal_data_masking import (
    PERSONAL_MASK,
    has_mark,
    mask_personal,
    personal_values,
)
from farandole.events.record import Record
from farandole.operations.events.event_content import EventContent, read_content
from farandole.operations.results import Result

MAX_SHOWN_BYTES = 64 * 1024
_MAX_SHOWN_HEX_BYTES = 4 * 1024

JsonSchema = Mapping[str, Any]
DataKind = Literal["json", "text", "bytes", "none", "masked"]


class ShownData(Result):
    """Data as a person sees them."""

    kind: DataKind
    """`bytes`: what is no UTF-8. `masked`: data that are no JSON and may be personal."""
    text: str
    """JSON with a line for each member; text; for bytes, two hexadecimal digits each. At most
    MAX_SHOWN_BYTES."""
    size: int
    """Bytes of the data as they are, before masking."""
    cut: bool
    """True if `text` ends before the data do."""
    masked: bool
    """True if something personal is left out."""


def shown_data(
    content: EventContent, schema: JsonSchema | None, *, reveal: bool = False
) -> ShownData:
    """Return the data of an event as they are shown. `schema`: the JSON Schema that marks what is
    personal; None if nothing is known to be. `reveal`: show that too."""
    value = content.data
    if value is None:
        return ShownData(kind="none", text="", size=0, cut=False, masked=False)
    size = len(value)
    data, masked = (value, False) if reveal else masked_data(content, schema)
    if data is None:
        return ShownData(kind="masked", text=PERSONAL_MASK, size=size, cut=False, masked=True)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        shown = data[:_MAX_SHOWN_HEX_BYTES].hex()
        return ShownData(
            kind="bytes", text=shown, size=size, cut=len(data) > len(shown) // 2, masked=masked
        )
    kind: DataKind = "text"
    if _is_json(data):
        kind, text = "json", indent_json(text, MAX_SHOWN_BYTES).rstrip("\n")
    text, cut = _cut(text)
    return ShownData(kind=kind, text=text, size=size, cut=cut, masked=masked)


def masked_data(content: EventContent, schema: JsonSchema | None) -> tuple[bytes | None, bool]:
    """Return the data of an event without what is personal, and whether something was left out. The
    data are None if there are none, or if they may be personal and nobody can say which part is:
    they are no JSON, or are not where the schema expects them."""
    value = content.data
    if value is None or not has_mark(schema):
        return value, False
    if content.is_misplaced:
        return None, True
    try:
        data = parse_json(value)
    except ValueError:
        return None, True
    masked = mask_personal(data, schema)
    return (value, False) if masked == data else (rewrite_json(value, masked), True)


def masked_text(text: str, record: Record, schema: JsonSchema | None) -> str:
    """Return a text about an event, such as the message of an error, without what is personal in
    its data."""
    if not has_mark(schema):
        return text
    content = read_content(record)
    if content.is_misplaced:
        return PERSONAL_MASK
    try:
        secrets = personal_values(parse_json(content.data or b""), schema)
    except ValueError:
        return PERSONAL_MASK
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, PERSONAL_MASK)
    return text


def _is_json(data: bytes) -> bool:
    try:
        parse_json(data)
    except ValueError:
        return False
    return True


def _cut(text: str) -> tuple[str, bool]:
    """Return the beginning of a text that fits, at the end of a line if that is near."""
    raw = text.encode()
    if len(raw) <= MAX_SHOWN_BYTES:
        return text, False
    begin = raw[:MAX_SHOWN_BYTES].decode(errors="ignore")
    line_end = begin.rfind("\n")
    return (begin[:line_end] if line_end > MAX_SHOWN_BYTES // 2 else begin), True
