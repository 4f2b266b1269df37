"""How does somebody get to see personal data unmasked?"""

from __future__ import annotations

from dataclasses import dataclass

from farandole.operations.errors import operation
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded


@dataclass(frozen=True, slots=True)
class RevealRequest:
    """What is shown, and why."""

    target: str
    """The event, letter or run whose data are shown."""
    pipeline: str = ""
    reason: str = ""


@operation
@recorded("reveal", lambda request: request.target, required=True)
async def reveal(installation: Installation, request: RevealRequest) -> None:
    """Record that personal data are about to be shown. Whoever shows them calls this first, and
    shows nothing if it fails. Raises UnavailableError."""
