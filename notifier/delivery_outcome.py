"""What was the result of sending a mail or a webhook post?"""

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
    """By recipient: the reason. Another attempt would be refused as well."""
    deferred: Mapping[str, str] = field(default_factory=dict)
    """By recipient: the reason. Another attempt is made. The notice may have arrived nevertheless;
    then the reason says so."""
    route_text: str = ""
    """How far the connection came: `mail.example.com:587, TLSv1.3, signed in as farandole`."""
    answer: str = ""
    """The server's answer to the mail or post that it accepted."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of one attempt to deliver a notice, through all of its channels."""

    remaining: Notice | None
    """The notice with the recipients that do not have it yet and the reasons; None if no other
    attempt is needed."""
    delivered: tuple[str, ...] = ()
    """Addresses, or `webhook`."""
    given_up: Mapping[str, str] = field(default_factory=dict)
    """By address: why no other attempt is made for it. Somebody else has the notice."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """By channel or address: why it failed, also if another channel delivered the notice."""
    was_made: bool = True
    """False if the attempt was cancelled before it began."""
