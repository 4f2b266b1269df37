"""In which form is a reason stored, for programs and for people?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason as data: a code, and what it is about. `reason_text` writes the sentence."""

    code: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """Return the reason as JSON data."""
        fields = {
            name: value.to_data() if isinstance(value, Reason) else value
            for name, value in self.fields.items()
        }
        return {"code": self.code, "fields": fields}
