"""A browser that asks an application in this process, and can lie in any header."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message

Header = Mapping[str, str | bytes] | Iterable[tuple[str, str | bytes]]


@dataclass(frozen=True, slots=True)
class BrowserAnswer:
    """What the application has answered."""

    status: int
    headers: Headers
    text: str

    @property
    def data(self) -> Any:
        return orjson.loads(self.text)

    @property
    def code(self) -> str:
        """Of the problem."""
        return str(self.data["code"])


@dataclass(slots=True)
class Browser:
    """Keeps cookies. Its `headers` are sent with each request; `peer` is its address."""

    application: ASGIApp
    peer: str = "127.0.0.1"
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, headers: Header = (), **query: str) -> BrowserAnswer:
        return self.ask("GET", path, headers, query=query)

    def post(self, path: str, data: Any, headers: Header = ()) -> BrowserAnswer:
        """Post data as JSON."""
        typed = [("content-type", "application/json"), *_pairs(headers)]
        return self.ask("POST", path, typed, [orjson.dumps(data)])

    def ask(
        self,
        method: str,
        path: str,
        headers: Header = (),
        body: Iterable[bytes] = (),
        query: Mapping[str, str] | None = None,
        *,
        is_cut_off: bool = False,
    ) -> BrowserAnswer:
        """Send a request, the body chunk by chunk. `is_cut_off`: leave before its end."""
        return asyncio.run(self._ask(method, path, headers, body, query or {}, is_cut_off))

    async def _ask(
        self,
        method: str,
        path: str,
        headers: Header,
        body: Iterable[bytes],
        query: Mapping[str, str],
        is_cut_off: bool,
    ) -> BrowserAnswer:
        chunks = iter(body)
        sent: list[Message] = []

        async def receive() -> Message:
            chunk = next(chunks, None)
            if chunk is None and is_cut_off:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
            "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
            "query_string": urlencode(query).encode(), "headers": self._headers(headers),
            "client": (self.peer, 50_000) if self.peer else None, "server": ("127.0.0.1", 80),
        }  # fmt: skip
        await self.application(scope, receive, send)
        start = sent[0]
        got = Headers(raw=start["headers"])
        for line in got.getlist("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
        return BrowserAnswer(start["status"], got, text)

    def _headers(self, headers: Header) -> list[tuple[bytes, bytes]]:
        given = _pairs(headers)
        names = {name for name, _ in given}
        usual: dict[str, str] = {"host": "localhost", **self.headers}
        if self.cookies:
            usual["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        pairs = [*((n, v) for n, v in usual.items() if n not in names), *given]
        return [(n.encode(), v if isinstance(v, bytes) else v.encode()) for n, v in pairs]


def _pairs(headers: Header) -> list[tuple[str, str | bytes]]:
    return [*(headers.items() if isinstance(headers, Mapping) else headers)]
