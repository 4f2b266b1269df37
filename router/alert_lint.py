"""Can notices about failures be sent to everybody in `alerts:`?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from farandole.events.incident_severity import (
    FAILURE_KIND,
    INCIDENT_KINDS,
    incident_severity,
)
from farandole.events.time_format import format_duration
from farandole.events.topology_version import AlertPolicy
from farandole.router.file_model import AlertsSection, EscalationSection, RouteSection
from farandole.router.lint_context import LintContext
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath
from farandole.stages.nearest_name import did_you_mean

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
MAILBOX_PATTERN = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_DOMAIN}")
MAX_MAILBOX_LENGTH = 254  # characters, of RFC 5321
_PORT = r"6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}"
WEBHOOK_PATTERN = re.compile(
    rf"https?://(?:{_DOMAIN}|\[[0-9A-Fa-f:.]+\])(?::(?:{_PORT}))?(?:[/?][!-~]*)?"
)
ERROR_NAME_PATTERN = re.compile(r"[A-Za-z_]\w*")

_DISPLAY_NAME_PATTERN = re.compile(r"[^<]*<([^<>]*)>\s*")
_HOUR = 3600  # seconds
_EMAIL_EXAMPLE = "write for example ops@example.com"
_URL_EXAMPLE = "write for example https://alerts.example.com/farandole"


def lint_alerts(context: LintContext) -> Iterator[Finding]:
    """Check addresses, and find routes that name no stage, have no recipient or never match."""
    alerts = context.topology.alerts
    if "alerts" in context.topology.model_fields_set and not alerts.routes and not alerts.channels:
        yield context.finding(
            ("alerts",),
            "`alerts:` tells nobody",
            "add `email:`, `webhook:` or `routes:`",
            on_key=True,
        )
    yield from _lint_severities(context, alerts)
    yield from _lint_addresses(context, alerts, ("alerts",))
    for index, route in enumerate(alerts.routes):
        path = ("alerts", "routes", index)
        if not route.channels:
            yield context.finding(path, "the route tells nobody", "add `email:` or `webhook:`")
        yield from _lint_addresses(context, route, path)
        yield from _lint_route_stages(context, route, path)
        yield from _lint_route_errors(context, route, path)
        yield from _lint_route_kinds(context, route, path)
        yield from _lint_chain(context, alerts, route, path)
    yield from _lint_unreachable_routes(context, alerts)


def _lint_severities(context: LintContext, alerts: AlertsSection) -> Iterator[Finding]:
    for kind in alerts.severity:
        if kind not in INCIDENT_KINDS:
            yield _unknown_kind(context, ("alerts", "severity", kind), kind, on_key=True)


def _lint_addresses(
    context: LintContext,
    recipients: RouteSection | AlertsSection | EscalationSection,
    path: KeyPath,
) -> Iterator[Finding]:
    for index, address in enumerate(recipients.email):
        problem = mailbox_problem(address)
        if problem:
            yield context.finding((*path, "email", index), *problem)
    yield from _lint_duplicates(context, (*path, "email"), recipients.email)
    problem = webhook_problem(recipients.webhook) if recipients.webhook is not None else None
    if problem:
        yield context.finding((*path, "webhook"), *problem)


def mailbox_problem(address: str) -> tuple[str, str] | None:
    """Return why nothing can be sent to an address, and what helps; None if it is
    `local@domain`."""
    if MAILBOX_PATTERN.fullmatch(address) and len(address) <= MAX_MAILBOX_LENGTH:
        return None
    shown = f"{address!r:.80}"
    bracketed = _DISPLAY_NAME_PATTERN.fullmatch(address)
    if any(ord(sign) < 32 or ord(sign) == 127 for sign in address):
        return f"{shown} holds a control character", "delete it"
    if bracketed:
        return f"{shown} has a display name", f"write the address alone: {bracketed[1]}"
    if "," in address or ";" in address:
        return f"{shown} are several addresses", "write a list: [ann@example.com, bob@example.com]"
    if not address.isascii():
        return (
            f"{shown} has letters that not every mail server takes",
            "write a domain in its `xn--` form, and what stands before the @ in ASCII",
        )
    if MAILBOX_PATTERN.fullmatch(address):
        return f"{shown} has more than {MAX_MAILBOX_LENGTH} characters", "write a shorter address"
    return f"{shown} is no mail address", _EMAIL_EXAMPLE


def webhook_problem(url: str) -> tuple[str, str] | None:
    """Return why nothing can be posted to a URL, and what helps; None if it is one of http(s)."""
    if WEBHOOK_PATTERN.fullmatch(url) and _has_host(url):
        return None
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
        return "the webhook holds a space or a control character", "delete it, or write it as %20"
    if scheme not in ("http", "https") or not rest:
        return f"{url!r:.80} is no webhook", _URL_EXAMPLE
    if "@" in authority:  # not shown: it may contain a password
        return (
            "the webhook names a user before its host",
            "delete that, since this file is published; let its path tell who posts",
        )
    if not authority:
        return f"{url!r:.80} has no host", _URL_EXAMPLE
    return f"{url!r:.80} is no URL that can be posted to", _URL_EXAMPLE


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:  # the brackets contain no address
        return False


def _lint_route_stages(
    context: LintContext, route: RouteSection, path: KeyPath
) -> Iterator[Finding]:
    known = list(context.topology.stages)
    for index, stage in enumerate(route.stages):
        if stage not in context.topology.stages:
            yield context.finding(
                (*path, "stages", index),
                f"no stage is called {stage!r}",
                did_you_mean(stage, known, f"the stages are {', '.join(known)}"),
            )
    yield from _lint_duplicates(context, (*path, "stages"), route.stages)


def _lint_route_errors(
    context: LintContext, route: RouteSection, path: KeyPath
) -> Iterator[Finding]:
    for index, error in enumerate(route.errors):
        name = error.rpartition(".")[2]
        if not ERROR_NAME_PATTERN.fullmatch(error):
            yield context.finding(
                (*path, "errors", index),
                f"{error!r:.80} is no name of an exception",
                f"write the class alone: {name}"
                if ERROR_NAME_PATTERN.fullmatch(name)
                else "write for example ConnectionError",
            )
    yield from _lint_duplicates(context, (*path, "errors"), route.errors)


def _lint_duplicates(
    context: LintContext, path: KeyPath, words: Sequence[str]
) -> Iterator[Finding]:
    for index, word in enumerate(words):
        if word in words[:index]:
            yield context.finding(
                (*path, index), f"{word!r} stands here twice", "keep one of the two"
            )


def _lint_route_kinds(
    context: LintContext, route: RouteSection, path: KeyPath
) -> Iterator[Finding]:
    for index, kind in enumerate(route.kinds):
        if kind not in INCIDENT_KINDS:
            yield _unknown_kind(context, (*path, "kinds", index), kind)
    yield from _lint_duplicates(context, (*path, "kinds"), route.kinds)
    yield from _lint_duplicates(context, (*path, "severity"), route.severity)
    if route.quiet is not None and route.severity == ("page",):
        yield context.finding(
            (*path, "quiet"),
            "these quiet hours delay nothing: the route takes pages alone",
            "delete them, or let the route take `notify` too",
            severity="warning",
        )


def _lint_chain(
    context: LintContext, alerts: AlertsSection, route: RouteSection, path: KeyPath
) -> Iterator[Finding]:
    before = 0.0
    for index, step in enumerate(route.escalate):
        place = (*path, "escalate", index)
        if not step.channels:
            yield context.finding(place, "the step tells nobody", "add `email:` or `webhook:`")
        yield from _lint_addresses(context, step, place)
        if step.after <= before:
            yield context.finding(
                (*place, "after"),
                "the step is not after the one before it: all count from the first notice",
                f"write a time longer than {format_duration(before)}",
            )
        before = max(before, step.after)
    if route.repeat is not None and not route.escalate:
        yield context.finding(
            (*path, "repeat"),
            "the route repeats a chain that it does not have",
            "add `escalate:`, or delete this",
            on_key=True,
        )
    written = alerts.model_dump(include={"per_hour"}, exclude_none=True)
    per_hour = AlertPolicy(**written).per_hour
    if route.repeat is not None and route.repeat * per_hour <= _HOUR:
        yield context.finding(
            (*path, "repeat"),
            "the repetitions of one incident would take all notices of an hour, which `per_hour`"
            f" limits to {per_hour}",
            f"write a time longer than {format_duration(math.ceil(_HOUR / per_hour))}",
        )


def _unknown_kind(
    context: LintContext, path: KeyPath, kind: str, *, on_key: bool = False
) -> Finding:
    return context.finding(
        path,
        f"there is no kind of incident {kind!r}",
        did_you_mean(kind, INCIDENT_KINDS, f"the kinds are {', '.join(INCIDENT_KINDS)}"),
        on_key=on_key,
    )


def _lint_unreachable_routes(context: LintContext, alerts: AlertsSection) -> Iterator[Finding]:
    """Find routes that never get an incident: they take none, or earlier ones take them all. `""`
    stands for every exception that no route names."""
    taken: list[tuple[set[str], set[str], set[str]]] = []
    last = [RouteSection()] if alerts.channels else []
    for index, route in enumerate((*alerts.routes, *last)):
        stages, errors = set(route.stages or context.topology.stages), set(route.errors or ("",))
        kinds = _kinds_of(route, alerts)
        path: KeyPath = ("alerts", "routes", index)
        if not kinds:
            yield context.finding(
                path,
                "the route takes nothing: no kind of incident is one of its kinds, has one of its"
                " severities, and fails by an exception where it names `errors`",
                "let it name fewer of these, or give a kind that severity under `severity:`",
                severity="warning",
            )
            continue
        if all(
            any(
                s in other_stages and (e in other_errors or "" in other_errors) and k in other_kinds
                for other_stages, other_errors, other_kinds in taken
            )
            for s in stages
            for e in errors
            for k in kinds
        ):
            if index == len(alerts.routes):
                path = ("alerts", alerts.channels[0])
            yield context.finding(
                path,
                "this is never used: the routes before it take every failure that it would take",
                "move it before them, or delete it"
                if index < len(alerts.routes)
                else "delete it, or a route that takes everything",
                on_key=index == len(alerts.routes),
                severity="warning",
            )
        taken.append((stages, errors, kinds))


def _kinds_of(route: RouteSection, alerts: AlertsSection) -> set[str]:
    """Return the kinds of incidents that a route can take: only failures have an exception."""
    named = route.kinds or INCIDENT_KINDS
    return {
        kind
        for kind in (named if not route.errors else {FAILURE_KIND}.intersection(named))
        if not route.severity or incident_severity(kind, alerts.severity) in route.severity
    }
