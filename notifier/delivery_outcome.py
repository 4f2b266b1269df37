"""What became of a mail or a webhook post?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farandole.events.incident_record import Notice


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """The result of one attempt through one channel.

    Each recipient is delivered, refused or deferred. The reasons are single lines that are safe to
    print."""

    delivered: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    """By recipient, the reason; the other side will refuse it again."""
    deferred: Mapping[str, str] = field(default_factory=dict)
    """By recipient, the reason; to be tried again. The notice may have arrived all the same, where
    the reason says so."""
    route_text: str = ""
    """How far the connection came: `mail.example.com:587, TLSv1.3, signed in as farandole`."""
    answer: str = ""
    """The other side's last answer to what was delivered."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of one attempt to deliver a notice, through all of its channels."""

    remaining: Notice | None
    """The notice with the recipients that do not have it yet, and the reasons; None if nothing
    remains to be done."""
    delivered: tuple[str, ...] = ()
    """Addresses, or `webhook`."""
    given_up: Mapping[str, str] = field(default_factory=dict)
    """By address, why it will never get the notice; somebody else has it."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """By channel or address, why it failed, also where another channel delivered."""
    was_made: bool = True
    """False if the attempt was cancelled before it began."""
