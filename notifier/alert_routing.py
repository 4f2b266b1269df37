"""Who is notified of an incident?"""

from __future__ import annotations

from farandole.events.incident_record import Incident
from farandole.events.topology_version import AlertPolicy, AlertRoute


def matching_route(policy: AlertPolicy, incident: Incident) -> AlertRoute | None:
    """Return the first route whose stages and errors fit the incident; None if none fits."""
    return next((r for r in policy.routes if _route_matches(r, incident)), None)


def _route_matches(route: AlertRoute, incident: Incident) -> bool:
    """Return True if the route fits; a route that names no stages, or no errors, takes all."""
    return (not route.stages or incident.stage in route.stages) and (
        not route.errors or incident.error in route.errors
    )
