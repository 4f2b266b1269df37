"""What does an order say about an event that waits for a person?

An order is a row in the stage's retry topic, in the partition of the lane that has the event. The
lane reads it once, by its offset, and carries it out in the transaction that commits the offset. An
order about an event that does not wait for a person (any more) does nothing. The value is one line
of JSON and, behind it, the data with which the event is mended.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from farandole.events.record import OutgoingRecord
from farandole.events.record_time import RowTime
from farandole.events.retry_record import ORDER_PREFIX
from farandole.events.row_format import check_json_format
from farandole.events.safe_text import escape_surrogates

MAX_NAME_LENGTH = 100  # characters of who ordered it
MAX_REASON_LENGTH = 200  # characters
MAX_DISCARD_LENGTH = 600  # characters of the JSON text of a discard


class ParkedOrder(BaseModel):
    """Says what is to become of one event."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    do: Literal["release", "mend", "discard"]
    """`release`: the function gets it, and its checks are not asked again. `mend`: its data are
    those of the order, and it is judged again. `discard`: it becomes a dead letter that is settled
    already."""
    event: str
    """`ParkedEvent.row_name`."""
    id: Annotated[str, Field(min_length=1, max_length=64)]
    """That of the command; with the event it names the order."""
    by: str
    at: Annotated[RowTime, Field(strict=False)]
    reason: str = ""


class ReadOrder(NamedTuple):
    """An order as it was read."""

    order: ParkedOrder
    data: bytes
    """The data of a mended event."""


class Discard(NamedTuple):
    """Who has discarded an event, when and why."""

    by: str
    at: str
    """ISO 8601."""
    reason: str


def make_order(order: ParkedOrder, data: bytes = b"") -> OutgoingRecord:
    """Return the row of an order. The texts of people are cut."""
    cut = order.model_copy(
        update={
            "by": escape_surrogates(order.by[:MAX_NAME_LENGTH]),
            "reason": escape_surrogates(order.reason[:MAX_REASON_LENGTH]),
        }
    )
    key = f"{order.id}/{order.event}".encode()
    return OutgoingRecord(ORDER_PREFIX + key, b"%b\n%b" % (cut.model_dump_json().encode(), data))


def parse_order(value: bytes) -> ReadOrder:
    """Return the order in a row. Raises NewerFormatError, and ValueError if it is none."""
    encoded, newline, data = value.partition(b"\n")
    if not newline:
        raise ValueError("no order: it is not one line and data")
    check_json_format("parked order", encoded)
    try:
        return ReadOrder(ParkedOrder.model_validate_json(encoded), data)
    except ValidationError as error:
        raise ValueError(f"no order: {error.errors()[0]['msg']}") from None


def discard_text(order: ParkedOrder) -> str:
    """Return who discards an event, when and why, as it stands in the event's row: JSON of at most
    MAX_DISCARD_LENGTH characters."""
    by, reason = order.by[:MAX_NAME_LENGTH], order.reason[:MAX_REASON_LENGTH]
    while True:
        text = orjson.dumps({"by": by, "at": order.at.isoformat(), "reason": reason}).decode()
        if len(text) <= MAX_DISCARD_LENGTH:
            return text
        by, reason = by[: len(by) // 2], reason[: len(reason) // 2]


def parse_discard(text: str) -> Discard:
    """Return what `discard_text` wrote; empty texts if anybody else wrote it."""
    try:
        found = orjson.loads(text)
        return Discard(str(found["by"]), str(found["at"]), str(found["reason"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Discard("", "", "")
