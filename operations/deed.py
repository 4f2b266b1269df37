"""What does an operation that writes say of itself while it is at work?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Deed:
    """What becomes the record of an operation that writes. Whoever calls the operation reads it
    when that has ended."""

    target: str = ""
    pipeline: str = ""
    reason: str = ""
    before: Any = None
    """What was in force, as JSON data. Neither secrets nor data of events."""
    after: Any = None
    only_looked: bool = False
    """True if nothing was to be written, as by `--dry-run`: then nothing is recorded."""

    def changed(self, before: Any, after: Any, *, pipeline: str = "") -> None:
        """Say what has been changed."""
        self.before, self.after = before, after
        self.pipeline = pipeline or self.pipeline
