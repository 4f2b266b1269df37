"""Can everybody whom a file wants to tell of failures be told?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from farandole.router.case import Case
from farandole.router.document import Path
from farandole.router.finding import Finding, did_you_mean
from farandole.router.form import AlertsForm, RouteForm

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL})*"
MAILBOX = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_DOMAIN}")
LONGEST_MAILBOX = 254  # characters, of RFC 5321
_PORT = r"6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}"
WEBHOOK = re.compile(rf"https?://(?:{_DOMAIN}|\[[0-9A-Fa-f:.]+\])(?::(?:{_PORT}))?(?:[/?][!-~]*)?")
ERROR = re.compile(r"[A-Za-z_]\w*")

_BRACKETED = re.compile(r"[^<]*<([^<>]*)>\s*")
_EMAIL = "write for example ops@example.com"
_URL = "write for example https://alerts.example.com/farandole"


def check(case: Case) -> Iterator[Finding]:
    """Addresses that nothing can be sent to, routes that nobody has or that are never taken."""
    alerts = case.form.alerts
    if "alerts" in case.form.model_fields_set and not alerts.routes and not alerts.channels:
        yield case.finding(
            ("alerts",),
            "`alerts:` tells nobody",
            "add `email:`, `webhook:` or `routes:`",
            on_key=True,
        )
    yield from _addresses(case, alerts, ("alerts",))
    for index, route in enumerate(alerts.routes):
        path = ("alerts", "routes", index)
        if not route.channels:
            yield case.finding(path, "the route tells nobody", "add `email:` or `webhook:`")
        yield from _addresses(case, route, path)
        yield from _stages(case, route, path)
        yield from _errors(case, route, path)
    yield from _never_taken(case, alerts)


def _addresses(case: Case, told: RouteForm | AlertsForm, path: Path) -> Iterator[Finding]:
    for index, address in enumerate(told.email):
        wrong = no_mailbox(address)
        if wrong:
            yield case.finding((*path, "email", index), *wrong)
    yield from _twice(case, (*path, "email"), told.email)
    wrong = no_webhook(told.webhook) if told.webhook is not None else None
    if wrong:
        yield case.finding((*path, "webhook"), *wrong)


def no_mailbox(address: str) -> tuple[str, str] | None:
    """Why nothing can be sent to an address, and what helps; None where it is `local@domain`."""
    if MAILBOX.fullmatch(address) and len(address) <= LONGEST_MAILBOX:
        return None
    shown = f"{address!r:.80}"
    bracketed = _BRACKETED.fullmatch(address)
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
    if MAILBOX.fullmatch(address):
        return f"{shown} has more than {LONGEST_MAILBOX} characters", "write a shorter address"
    return f"{shown} is no mail address", _EMAIL


def no_webhook(url: str) -> tuple[str, str] | None:
    """Why nothing can be posted to a URL, and what helps; None where it is one of http(s)."""
    if WEBHOOK.fullmatch(url) and _has_host(url):
        return None
    scheme, _, rest = url.partition("://")
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if any(ord(sign) <= 32 or ord(sign) == 127 for sign in url):
        return "the webhook holds a space or a control character", "delete it, or write it as %20"
    if scheme not in ("http", "https") or not rest:
        return f"{url!r:.80} is no webhook", _URL
    if "@" in place:  # not shown: it may be a password
        return (
            "the webhook names a user before its host",
            "delete that, since this file is published; let its path tell who posts",
        )
    if not place:
        return f"{url!r:.80} has no host", _URL
    return f"{url!r:.80} is no URL that can be posted to", _URL


def _has_host(url: str) -> bool:
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:  # what stands in brackets is no address
        return False


def _stages(case: Case, route: RouteForm, path: Path) -> Iterator[Finding]:
    known = list(case.form.stages)
    for index, stage in enumerate(route.stages):
        if stage not in case.form.stages:
            yield case.finding(
                (*path, "stages", index),
                f"no stage is called {stage!r}",
                did_you_mean(stage, known, f"the stages are {', '.join(known)}"),
            )
    yield from _twice(case, (*path, "stages"), route.stages)


def _errors(case: Case, route: RouteForm, path: Path) -> Iterator[Finding]:
    for index, error in enumerate(route.errors):
        name = error.rpartition(".")[2]
        if not ERROR.fullmatch(error):
            yield case.finding(
                (*path, "errors", index),
                f"{error!r:.80} is no name of an exception",
                f"write the class alone: {name}"
                if ERROR.fullmatch(name)
                else "write for example ConnectionError",
            )
    yield from _twice(case, (*path, "errors"), route.errors)


def _twice(case: Case, path: Path, words: Sequence[str]) -> Iterator[Finding]:
    for index, word in enumerate(words):
        if word in words[:index]:
            yield case.finding((*path, index), f"{word!r} stands here twice", "keep one of the two")


def _never_taken(case: Case, alerts: AlertsForm) -> Iterator[Finding]:
    """Routes all of whose failures an earlier one takes. `""` stands for every other exception."""
    taken: list[tuple[set[str], set[str]]] = []
    last = [RouteForm()] if alerts.channels else []
    for index, route in enumerate((*alerts.routes, *last)):
        stages, errors = set(route.stages or case.form.stages), set(route.errors or ("",))
        if all(
            any(s in theirs and (e in them or "" in them) for theirs, them in taken)
            for s in stages
            for e in errors
        ):
            path: Path = ("alerts", "routes", index)
            if index == len(alerts.routes):
                path = ("alerts", alerts.channels[0])
            yield case.finding(
                path,
                "this is never used: the routes before it take every failure that it would take",
                "move it before them, or delete it"
                if index < len(alerts.routes)
                else "delete it, or a route that takes everything",
                on_key=index == len(alerts.routes),
                severity="warning",
            )
        taken.append((stages, errors))
