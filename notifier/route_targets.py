"""Whom can the routes of a pipeline tell, through which channel?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from farandole.events.incident_record import NoticeChannel
from farandole.events.topology_version import AlertRoute
from farandole.notifier.escalation import HasChannels


class RouteTarget(NamedTuple):
    """A mailbox or a webhook, and where the routes name it."""

    channel: NoticeChannel
    address: str
    """A mail address; or the URL of a webhook, which may contain a secret."""
    places: tuple[str, ...]
    """`route 2`, or `route 2, step 1`, in the order of the file."""


def route_targets(routes: Sequence[AlertRoute], only: int | None = None) -> list[RouteTarget]:
    """Return each mailbox and each webhook once, in the order of the file; with `only`, those of
    the route of that number, from 1."""
    found: dict[tuple[NoticeChannel, str], list[str]] = {}
    for number, route in enumerate(routes, start=1):
        if only is not None and number != only:
            continue
        for place, named in _named_places(number, route):
            for channel in named.channels:
                addresses = named.email if channel == "email" else (named.webhook,)
                for address in addresses:
                    if address is not None:
                        found.setdefault((channel, address), []).append(place)
    return [RouteTarget(*key, tuple(places)) for key, places in found.items()]


def _named_places(number: int, route: AlertRoute) -> Iterator[tuple[str, HasChannels]]:
    yield f"route {number}", route
    for step_number, step in enumerate(route.escalate, start=1):
        yield f"route {number}, step {step_number}", step
