"""How does an operation write a control document, so that its record says what was replaced?"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from farandole.events.control_documents import ControlDocument, serialize_control
from farandole.events.controls_in_force import TimedDocument
from farandole.events.json_text import parse_json
from farandole.operations.control.control_publisher import (
    delete_controls,
    keys_about,
    publish_control,
)
from farandole.operations.installation import Installation

NO_DOCUMENTS: Mapping[bytes, TimedDocument] = MappingProxyType({})


async def put_control(
    installation: Installation,
    document: ControlDocument,
    documents: Mapping[bytes, TimedDocument] = NO_DOCUMENTS,
) -> int:
    """Write a document, delete those of `documents` about the same subject, and return its offset,
    its generation. Raises BrokerError."""
    subject = getattr(document, "subject", None)
    replaced = keys_about(documents, subject) if subject is not None else []
    note_control(installation, document, [documents[key] for key in replaced])
    return await publish_control(installation.settings, document, replaced)


async def drop_controls(
    installation: Installation, documents: Mapping[bytes, TimedDocument], subject: tuple[str, ...]
) -> None:
    """Delete the documents about a subject. Raises BrokerError."""
    dropped = keys_about(documents, subject)
    note_control(installation, None, [documents[key] for key in dropped])
    await delete_controls(installation.settings, dropped)


def note_control(
    installation: Installation, document: ControlDocument | None, replaced: list[TimedDocument]
) -> None:
    """Say for the record which document replaces which: of many the newest."""
    before = max(replaced, key=lambda each: each.generation, default=None)
    about = document if document is not None else before and before.control
    installation.deed.changed(
        before and {**_data(before.control), "generation": before.generation},
        document and _data(document),
        pipeline=str(getattr(about, "pipeline", "")),
    )


def _data(document: ControlDocument) -> dict[str, Any]:
    data: dict[str, Any] = parse_json(serialize_control(document))
    return data
