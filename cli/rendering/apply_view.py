"""How is the result of applying a topology shown?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farandole.operations.topology.apply import ApplyResult


def apply_lines(result: ApplyResult) -> list[str]:
    """Return a line for each topic, and one for the version in force."""
    lines = [f"created {topic}" for topic in result.created_topics]
    lines += [f"configured {topic}" for topic in result.configured_topics]
    if result.changed:
        again = f", again as @{result.rollback_of}" if result.rollback_of else ""
        lines.append(f"{result.version} is in force{again}")
    elif lines:
        lines.append(f"{result.version} is in force as before")
    else:
        lines.append(f"nothing changed: {result.version} is in force")
    return lines
