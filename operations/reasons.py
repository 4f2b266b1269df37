"""How is a reason kept, so that programs can act on it and people can read it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is so: a code, and what it is about. `reason_text` writes the sentence."""

    code: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """Return the reason as JSON data."""
        fields = {
            name: value.to_data() if isinstance(value, Reason) else value
            for name, value in self.fields.items()
        }
        return {"code": self.code, "fields": fields}
