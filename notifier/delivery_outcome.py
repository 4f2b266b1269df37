"""What became of a mail or a post?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farandole.events.incident_record import Notice


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """Each recipient is in one of the three; whys are one harmless line."""

    delivered: tuple[str, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    """For good, as far as the other side knows."""
    deferred: Mapping[str, str] = field(default_factory=dict)
    """To be tried again; it may have arrived all the same where the why says so."""
    way: str = ""
    """How far it came: `mail.example.com:587, TLSv1.3, signed in as farandole`."""
    answer: str = ""
    """The last one to what was delivered."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What one attempt at a notice came to."""

    left: Notice | None
    """With those who have it not yet, and why; None: there is nothing left to do."""
    delivered: tuple[str, ...] = ()
    """Addresses, or `webhook`."""
    given_up: Mapping[str, str] = field(default_factory=dict)
    """By address, why; somebody else was told."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """By channel or address, why it failed, also where another channel delivered."""
    made: bool = True
    """False: it ended before it began."""
