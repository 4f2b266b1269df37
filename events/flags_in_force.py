"""Which document decides the value of each flag now?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from farandole.events.controls_in_force import TimedDocument, is_expired
from farandole.events.flag_document import FlagDocument


class FlagInForce(NamedTuple):
    """A document that decides the value of a flag, when it was written, and its generation."""

    document: FlagDocument
    at: datetime
    generation: int


def flags_in_force(
    documents: Iterable[TimedDocument], pipeline: str, now: datetime
) -> dict[str, FlagInForce]:
    """Return, by flag, the newest document of each flag of a pipeline, under whatever keys it and
    others stand. One that has expired is left out: then the default of the file counts, not an
    older document. `documents`: in the order of the log."""
    newest: dict[str, FlagInForce] = {}
    for control, at, generation, _ in documents:
        if isinstance(control, FlagDocument) and control.pipeline == pipeline:
            newest[control.flag] = FlagInForce(control, at, generation)
    return {name: each for name, each in newest.items() if not is_expired(each.document, now)}
