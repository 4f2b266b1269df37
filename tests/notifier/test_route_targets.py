"""Is everybody whom the routes can tell found once?"""

from __future__ import annotations

from farandole.events.topology_version import AlertRoute, EscalationStep
from farandole.notifier.route_targets import RouteTarget, route_targets

HOOK = "https://pager.example.com/bob"
ROUTES = (
    AlertRoute(
        email=("ann@example.com",),
        channels=("email",),
        escalate=(
            EscalationStep(after=300, webhook=HOOK, channels=("webhook",)),
            EscalationStep(after=900, email=("ann@example.com", "cleo@x"), channels=("email",)),
        ),
    ),
    AlertRoute(webhook=HOOK, email=("ann@example.com",), channels=("webhook", "email")),
)


def test_each_is_there_once_with_all_its_places() -> None:
    assert route_targets(ROUTES) == [
        RouteTarget("email", "ann@example.com", ("route 1", "route 1, step 2", "route 2")),
        RouteTarget("webhook", HOOK, ("route 1, step 1", "route 2")),
        RouteTarget("email", "cleo@x", ("route 1, step 2",)),
    ]


def test_one_route_has_only_its_own() -> None:
    assert route_targets(ROUTES, 2) == [
        RouteTarget("webhook", HOOK, ("route 2",)),
        RouteTarget("email", "ann@example.com", ("route 2",)),
    ]
