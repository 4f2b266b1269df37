"""How does a terminal show who is told of an incident, when and why?"""

from __future__ import annotations

from collections.abc import Iterator

from farandole.operations.incidents.explain_incident import IncidentExplanation


def explanation_lines(found: IncidentExplanation) -> Iterator[str]:
    """Yield the lines of an explanation."""
    yield f"{found.incident} is a {found.severity}: {found.severity_why}"
    for route in found.routes:
        verb = "takes it" if route.takes else "does not take it"
        to = f"; to {', else '.join(route.to)}" if route.takes else ""
        yield f"route {route.number} {verb}: {route.why}{to}"
    for told in found.told:
        yield f"told {told}"
    for waiting in found.waiting:
        yield f"not delivered: {waiting}"
    for step in found.chain:
        yield f"unless acknowledged, {step}"
    yield f"next: {found.next}"
