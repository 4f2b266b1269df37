"""What form is a topic to have?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """The wanted form of a topic; `configs` by Kafka's own names."""

    partitions: int
    configs: Mapping[str, str] = field(default_factory=dict)
    grows: bool = False
    """Partitions may be added, and there can be more of them: no key decides in which partition a
    record is."""

    def accepts_width(self, partitions: int) -> bool:
        """Return True if an existing topic with this number of partitions is as wanted."""
        return partitions == self.partitions or (self.grows and partitions > self.partitions)
