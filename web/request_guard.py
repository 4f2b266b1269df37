"""Which requests reach the routes, and what does every answer forbid the browser?

What is refused here, and why:

- a host name that is not ours: a page of somebody else's whose name was made to lead here (DNS
  rebinding);
- whoever is not recognised, for everything below `/api/v1`;
- a write that a page of somebody else's could have sent: no JSON, from another origin, or from none
  if only a cookie or the network says who it is;
- a body that is too large, cut off, or no text.

No answer allows another origin to read it (CORS).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import orjson
from fastapi import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from farandole.web.authentication import NoRoleError, Recognise, UnrecognisedError
from farandole.web.problems import problem_response

API = "/api/v1"
MAX_BODY_BYTES = 8 * 1024 * 1024  # the largest version of a topology
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN_PATHS = frozenset({f"{API}/sign-in"})
"""Paths of the API for those who are not recognised yet."""
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.IGNORECASE)

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def content_security_policy(style_nonce: str) -> str:
    """Return the policy of a page: what comes from here, and nothing inline. An editor that makes
    style sheets itself names the nonce, which is another one for each answer."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{style_nonce}'",
            "img-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            "worker-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )


class _RefusedError(Exception):
    """A request is answered with an error."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.headers = status, code, detail, headers

    def response(self) -> Response:
        return problem_response(self.status, self.code, self.detail, self.headers)


@dataclass(frozen=True, slots=True)
class Gate:
    """Who comes in."""

    recognise: Recognise
    hosts: frozenset[str]
    """The names, without ports, under which the console may be asked."""
    url: str | None = None
    """Where people find the console, if a proxy is before it."""


class RequestGuard:
    """ASGI middleware: lets a request through, or answers it. A class because ASGI wraps
    applications so."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # there are no web sockets here
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["style_nonce"] = nonce
        sending = _with_headers(send, content_security_policy(nonce), scope["path"])
        try:
            self._check(scope)
            if scope["method"] not in _SAFE_METHODS:
                receive = await _read_body(Headers(scope=scope), receive)
        except _RefusedError as refusal:
            await refusal.response()(scope, receive, sending)
            return
        await self._app(scope, receive, sending)

    def _check(self, scope: Scope) -> None:
        request = HTTPConnection(scope)
        self._check_host(request.headers)
        if not scope["path"].startswith(f"{API}/"):
            if scope["method"] not in _SAFE_METHODS:
                raise _RefusedError(HTTPStatus.METHOD_NOT_ALLOWED, "not_allowed", "only reading")
            return
        by_bearer = False
        if scope["path"] not in _OPEN_PATHS:
            by_bearer = self._recognise(request)
        self._check_origin(request.headers, scope["method"] in _SAFE_METHODS, by_bearer)

    def _check_host(self, headers: Headers) -> None:
        given = headers.getlist("host")
        match = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if match is None:
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "invalid_request", "one Host is needed")
        name = match["name"].lower().strip("[]")
        if name not in self._gate.hosts:
            raise _RefusedError(
                HTTPStatus.MISDIRECTED_REQUEST,
                "wrong_host",
                f"the console does not answer as {name}; add it to FARANDOLE_WEB_HOSTS if it is"
                " its name",
            )

    def _recognise(self, request: HTTPConnection) -> bool:
        """Keep who asks; return True if the request itself has the token."""
        try:
            found = self._gate.recognise(request)
        except UnrecognisedError as error:
            raise _RefusedError(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                str(error),
                **{"www-authenticate": "Bearer"},
            ) from None
        except NoRoleError as error:
            raise _RefusedError(HTTPStatus.FORBIDDEN, "forbidden", str(error)) from None
        request.state.principal = found.principal
        return found.by_bearer

    def _check_origin(self, headers: Headers, is_safe: bool, by_bearer: bool) -> None:
        site = headers.get("sec-fetch-site")
        if site not in (None, "same-origin", *(["none"] if is_safe else [])):
            raise _foreign(f"a page of another origin asks ({site})")
        if is_safe:
            return
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "not_json", "write the body as application/json"
            )
        origins = headers.getlist("origin")
        if not origins and by_bearer:
            return
        if len(origins) != 1 or not self._is_own(origins[0], headers["host"]):
            raise _foreign(f"it is asked from {', '.join(origins) or 'no origin'}")

    def _is_own(self, origin: str, host: str) -> bool:
        try:
            found = urlsplit(origin)
        except ValueError:
            return False
        if found.scheme in ("http", "https") and found.netloc.lower() == host.lower():
            return True
        return self._gate.url is not None and origin.lower() == _origin_of(self._gate.url)


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _foreign(detail: str) -> _RefusedError:
    return _RefusedError(HTTPStatus.FORBIDDEN, "foreign_origin", detail)


async def _read_body(headers: Headers, receive: Receive) -> Receive:
    """Read the whole body, and return what hands it on. Raises _RefusedError if it is too large."""
    length = headers.get("content-length", "0")
    body = bytearray()
    too_large = length.isdigit() and int(length[:20]) > MAX_BODY_BYTES
    while not too_large:
        message = await receive()
        if message["type"] == "http.disconnect":  # what has come is perhaps half of it
            raise _RefusedError(HTTPStatus.BAD_REQUEST, "invalid_request", "the body is cut off")
        body += message.get("body", b"")
        too_large = len(body) > MAX_BODY_BYTES
        if not message.get("more_body", False):
            break
    if too_large:
        raise _RefusedError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "too_large",
            f"a request has at most {MAX_BODY_BYTES // 1024**2} MiB",
            connection="close",
        )
    whole = bytes(body)
    if _has_half_characters(whole):
        raise _RefusedError(
            HTTPStatus.BAD_REQUEST,
            "invalid_request",
            "the body is not JSON in UTF-8, or half of a character stands in it",
        )
    given = False

    async def hand_on() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": whole, "more_body": False}

    return hand_on


def _has_half_characters(body: bytes) -> bool:
    """Return True if a body is not UTF-8, or names one of the two halves of a character (a lone
    surrogate), which no text may have that is to be written anywhere."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return True
    if rb"\ud" not in body.lower():
        return False
    try:
        orjson.loads(body)
    except ValueError:
        return True
    return False


def _with_headers(send: Send, policy: str, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = policy
            for name, value in _HEADERS.items():
                headers[name] = value
            if path.startswith(f"{API}/"):
                headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending
