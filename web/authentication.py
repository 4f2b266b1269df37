"""Who sent a request?"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from farandole.operations.setup.web_settings import WebSettings
from farandole.web.access import Principal, Role
from farandole.web.access_token import AccessToken

MAX_NAME_LENGTH = 200  # characters


class UnrecognisedError(Exception):
    """Nobody is recognised in a request; the message says what is missing."""


class NoRoleError(Exception):
    """Somebody is recognised who may not even look."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """Who sent a request, and how we know."""

    principal: Principal
    by_bearer: bool = False
    """True if the request itself has the token: no page can make a browser send that."""


Recognise = Callable[[HTTPConnection], Recognised]
"""Returns who sent a request. Raises UnrecognisedError and NoRoleError."""


def recognition(settings: WebSettings, token: AccessToken, owner: str) -> Recognise:
    """Return how requests are recognised. `owner` is who started the console, and has the token."""
    if settings.web_auth == "proxy":
        return lambda request: Recognised(_named_by_proxy(request, settings))
    if settings.web_auth == "none":
        return lambda request: Recognised(Principal("anybody", Role.VIEWER, origin=_peer(request)))
    return lambda request: _with_token(request, token, owner)


def _with_token(request: HTTPConnection, token: AccessToken, owner: str) -> Recognised:
    principal = Principal(owner, Role.EDITOR, may_reveal=True, origin=_peer(request))
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, shown = header.partition(" ")
        if scheme.lower() == "bearer" and token.matches(shown.strip()):
            return Recognised(principal, by_bearer=True)
        raise UnrecognisedError("the token is not that of this console")
    cookie = request.cookies.get(token.cookie_name)
    if cookie is None:
        raise UnrecognisedError("open the link that `farandole web` prints: it has the token")
    if not token.accepts_cookie(cookie, time.time()):
        raise UnrecognisedError("the cookie is not good any more; open the link once more")
    return Recognised(principal)


def _named_by_proxy(request: HTTPConnection, settings: WebSettings) -> Principal:
    peer = _peer(request)
    if not _is_in(peer, settings.web_proxies):
        raise UnrecognisedError(f"{peer or 'the sender'} is no proxy of this console")
    names = request.headers.getlist("x-forwarded-user")
    name = names[0].strip() if len(names) == 1 else ""
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise UnrecognisedError("the proxy has not said who asks (X-Forwarded-User)")
    said = request.headers.getlist("x-forwarded-groups")
    groups = {group.strip() for each in said for group in each.split(",")} - {""}
    role = _role(groups, settings)
    if role is None:
        raise NoRoleError(f"no group of {name} may look here (web_viewers)")
    return Principal(
        name, role, _belongs(groups, settings.web_revealers), _browser(request) or peer
    )


def _role(groups: set[str], settings: WebSettings) -> Role | None:
    """Return the highest role of these groups; None if they have none."""
    of_role = {
        Role.EDITOR: settings.web_editors,
        Role.OPERATOR: settings.web_operators,
        Role.VIEWER: settings.web_viewers,
    }
    return next((role for role, named in of_role.items() if _belongs(groups, named)), None)


def _belongs(groups: set[str], named: Sequence[str]) -> bool:
    return "*" in named or not groups.isdisjoint(named)


def _browser(request: HTTPConnection) -> str:
    """Return the last address that the proxy has added to X-Forwarded-For: those before it are what
    the browser says."""
    said = request.headers.getlist("x-forwarded-for")
    last = said[-1].split(",")[-1].strip() if said else ""
    try:
        return str(ipaddress.ip_address(last))
    except ValueError:
        return ""


def _peer(request: HTTPConnection) -> str:
    return request.client.host if request.client is not None else ""


def _is_in(address: str, networks: Sequence[str]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(each) for each in networks)
