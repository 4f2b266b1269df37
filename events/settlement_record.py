"""What does the record look like that says that dead letters were replayed or discarded?

It is written to the dead-letter topic itself. That has one partition, so the record comes after the
letters that it settles, and is kept as long as they are. It is a CloudEvent, as the letters around
it mostly are. It is no letter: its header `dead_settlement` marks it. No letter has that header,
because headers of an event that begin with `dead_` are removed. The letter of an event that was
discarded while it waited is settled already: it says itself by whom.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farandole.events.dead_letter import DEAD_HEADER_PREFIX
from farandole.events.envelope import attribute_header, constant_headers
from farandole.events.header_codec import encode_headers
from farandole.events.record import Header, OutgoingRecord
from farandole.events.record_time import EPOCH, RowTime
from farandole.events.row_format import check_json_format
from farandole.events.safe_text import escape_surrogates

SettlementKind = Literal["replayed", "discarded"]

SETTLEMENT_HEADER = f"{DEAD_HEADER_PREFIX}settlement"
SETTLEMENT_SOURCE = "urn:farandole:settlement"
"""Not under our own scheme `farandole://`: no stage emits it."""
_DISCARDED_PREFIX = f"{DEAD_HEADER_PREFIX}discarded_"
MAX_SETTLED_LETTERS = 1_000
"""How many letters one record settles at most."""
MAX_REASON_LENGTH = 1_000  # characters
MAX_SETTLER_NAME_LENGTH = 200  # characters


class Settlement(BaseModel):
    """Says what became of some dead letters of the topic that it is written to."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    settles: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=MAX_SETTLED_LETTERS)
    ]
    """The offsets of the letters."""
    how: SettlementKind
    by: str
    at: Annotated[RowTime, Field(strict=False)]
    reason: str = ""
    order: str = ""
    """The id of the command that settled the letters."""

    def to_data(self) -> dict[str, Any]:
        """Return what became of a letter, as JSON data."""
        return self.model_dump(include={"how", "by", "at", "reason"})


def make_settlements(
    letters: Sequence[int],
    how: SettlementKind,
    *,
    by: str,
    at: datetime,
    reason: str = "",
    order: str = "",
) -> list[OutgoingRecord]:
    """Return the records that settle all these letters, as few as possible."""
    headers = [
        *constant_headers(SETTLEMENT_SOURCE, f"letters.{how}", at),
        (SETTLEMENT_HEADER, how.encode()),
    ]
    id_ = order or uuid4().hex
    return [
        OutgoingRecord(
            None,
            Settlement(
                settles=tuple(letters[first : first + MAX_SETTLED_LETTERS]),
                how=how,
                by=escape_surrogates(by[:MAX_SETTLER_NAME_LENGTH]),
                at=at,
                reason=escape_surrogates(reason[:MAX_REASON_LENGTH]),
                order=order,
            )
            .model_dump_json()
            .encode(),
            encode_headers([*headers, attribute_header("id", f"{id_}/{letters[first]}")]),
        )
        for first in range(0, len(letters), MAX_SETTLED_LETTERS)
    ]


def own_settlement(offset: int, headers: Sequence[Header]) -> Settlement | None:
    """Return how a letter was settled as it was written, because somebody has discarded its event
    while it waited (`FailureAccount.discarded`); None for any other record. `offset`: that of the
    letter."""
    found = {
        name.removeprefix(_DISCARDED_PREFIX): (value or b"").decode(errors="replace")
        for name, value in headers
        if name.startswith(_DISCARDED_PREFIX)
    }
    if "at" not in found:
        return None
    try:
        at = datetime.fromisoformat(found["at"])
    except ValueError:
        at = EPOCH
    return Settlement(
        settles=(offset,),
        how="discarded",
        by=found.get("by", ""),
        at=at if at.tzinfo is not None else EPOCH,
        reason=found.get("reason", ""),
    )


def is_settlement(headers: Sequence[Header]) -> bool:
    """Return True if a record of a dead-letter topic is a settlement and no letter."""
    return any(name == SETTLEMENT_HEADER for name, _ in headers)


def is_open_letter(offset: int, headers: Sequence[Header]) -> bool:
    """Return True if a record of a dead-letter topic is a letter that was not settled as it was
    written."""
    return not is_settlement(headers) and own_settlement(offset, headers) is None


def parse_settlement(value: bytes | None, headers: Sequence[Header]) -> Settlement | None:
    """Return the settlement in a record; None if it is a letter, or if somebody else wrote
    something that only looks like a settlement. Raises NewerFormatError: what it settles is not
    known then, and must not be settled twice."""
    if not is_settlement(headers):
        return None
    check_json_format("settlement", value or b"")
    try:
        return Settlement.model_validate_json(value or b"")
    except ValidationError:
        return None
