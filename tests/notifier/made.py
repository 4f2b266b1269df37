"""Builds the incidents that the tests of the notifier use."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from farandole.events.incident_record import Incident, IncidentSample

OPENED = datetime(2026, 11, 24, 12, 3, 11, tzinfo=UTC)
NOW = OPENED + timedelta(minutes=6, seconds=34)
SENDER = "farandole@example.com"

DATA = """\
{
  "household_id": "****",
  "basket_id": 27601281299,
  "product_id": 825123,
  "quantity": 0,
  "sales_cents": 399,
  "bought": "2017-03-14T18:22:00Z"
}"""


def sample(**fields: object) -> IncidentSample:
    defaults: dict[str, Any] = {
        "dead_topic": "order-lines.validate.dead", "dead_offset": 17,
        "topic": "order-lines.line.ingested", "partition": 3, "offset": 10482,
        "run": "k7mq2vtd4x3aa", "key": "1907",
        "message": "something was paid for nothing: 0 pieces for 399 cents",
        "data": DATA, "failed": OPENED,
    }  # fmt: skip
    return IncidentSample.model_construct(**{**defaults, **fields})


def incident(**fields: object) -> Incident:
    defaults: dict[str, Any] = {
        "id": "b2x7k4qdm5c3a", "pipeline": "order-lines", "stage": "validate",
        "fingerprint": "x3kq7m2pab", "error": "Reject", "title": "something was paid for nothing",
        "version": "order-lines@7", "opened": OPENED, "last": NOW, "count": 1204, "told": 0,
        "seen": 1221, "samples": (sample(), sample(offset=22015, dead_offset=1220, failed=NOW)),
    }  # fmt: skip
    return Incident.model_construct(**{**defaults, **fields})


COMMANDS = (
    ("see them all", "farandole dead --stage validate --fingerprint x3kq7m2pab"),
    (
        "the same with kcat",
        "kcat -C -b localhost:9092 -t order-lines.validate.dead -o 17 -c 1 -f '%s\\n%h\\n\\n'",
    ),
    ("say that you are at it", "farandole incidents ack b2x7k4qdm5c3a"),
)
