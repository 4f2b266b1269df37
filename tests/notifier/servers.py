"""A mail server that fails in ways that a test chooses."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

HANG = "hang"
DROP = "drop"
Faults = Mapping[str, str | Sequence[str | None]]
"""By verb: a wrong answer (a line, `HANG` or `DROP`), or a sequence of answers, of which None is
the right one. `CONNECT` is the greeting, `BODY` the answer to a mail, `RCPT somebody@…` that to one
recipient."""

USER, PASSWORD = "farandole", "hunter2-and-more"


@dataclass
class Server:
    """A real mail server, with faults. `got` are the mails that it accepted."""

    faults: Faults
    got: list[tuple[tuple[str, ...], bytes]] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    port: int = 0
    _asked: dict[str, int] = field(default_factory=dict)

    async def fault(self, verb: str, protocol: SMTP) -> str | None:
        fault = self.faults.get(verb)
        if fault is not None and not isinstance(fault, str):
            asked = self._asked.setdefault(verb, 0)
            self._asked[verb] += 1
            fault = fault[asked] if asked < len(fault) else None
        if fault == HANG:
            await asyncio.Event().wait()
        if fault == DROP:
            assert protocol.transport is not None
            protocol.transport.abort()  # type: ignore[attr-defined]
            await asyncio.Event().wait()  # until the loss of the connection cancels it
        return fault

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's
        if fault := await self.fault("BODY", server):
            return fault
        assert isinstance(envelope.content, bytes)
        self.got.append((tuple(envelope.rcpt_tos), envelope.content))
        return "250 2.0.0 queued as 4711"

    def authenticate(self, server: SMTP, *args: Any) -> AuthResult:
        given = args[-1]
        assert isinstance(given, LoginPassword)
        right = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)


class _Protocol(SMTP):
    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(
            server, hostname="test", loop=asyncio.get_running_loop(),
            authenticator=server.authenticate, **options,
        )  # fmt: skip
        self._server = server
        for verb, method in list(self._smtp_methods.items()):
            self._smtp_methods[verb] = partial(self._asked, verb, method)

    async def _asked(self, verb: str, method: Any, argument: str | None) -> None:
        self._server.verbs.append(verb)
        answer = await self._server.fault(verb, self)
        if answer is None and verb == "RCPT" and argument:
            answer = await self._server.fault(f"RCPT {argument[4:-1]}", self)
        await (self.push(answer) if answer else method(argument))

    async def push(self, status: Any) -> None:
        if self.session is not None and not self._greeted:
            self._greeted = True
            status = await self._server.fault("CONNECT", self) or status
        await super().push(status)

    _greeted = False


@asynccontextmanager
async def serving(
    faults: Faults | None = None,
    *,
    starttls: ssl.SSLContext | None = None,
    tls: ssl.SSLContext | None = None,
    kind: type[Server] = Server,
    **options: Any,
) -> AsyncIterator[Server]:
    server = kind(faults or {})
    protocols: list[_Protocol] = []

    def protocol() -> _Protocol:
        protocols.append(_Protocol(server, tls_context=starttls, **options))
        return protocols[-1]

    listening = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for each in protocols:
            if each.transport is not None:
                each.transport.abort()  # type: ignore[attr-defined]
        await listening.wait_closed()
