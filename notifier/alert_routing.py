"""Which route takes an incident, and why does another one not?"""

from __future__ import annotations

from farandole.events.incident_record import Incident
from farandole.events.topology_version import AlertPolicy, AlertRoute


def matching_route(policy: AlertPolicy, incident: Incident) -> AlertRoute | None:
    """Return the first route that takes the incident; None if none does."""
    return next((r for r in policy.routes if route_misfit(r, incident) is None), None)


def route_misfit(route: AlertRoute, incident: Incident) -> str | None:
    """Return why a route does not take an incident; None if it takes it. What a route does not name
    is all right."""
    severity = incident.effective_severity
    if route.stages and incident.stage not in route.stages:
        where = f"of {incident.stage}" if incident.stage else "of no stage"
        return f"it is {where}, and the route takes {_words(route.stages)}"
    if route.errors and incident.error not in route.errors:
        return f"it is {incident.error}, and the route takes {_words(route.errors)}"
    if route.kinds and incident.kind not in route.kinds:
        return f"it is of the kind {incident.kind}, and the route takes {_words(route.kinds)}"
    if route.severity and severity not in route.severity:
        return f"its severity is {severity}, and the route takes {_words(route.severity)}"
    return None


def _words(names: tuple[str, ...]) -> str:
    return ", ".join(names)
