"""How does the console run?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from farandole.broker.kept_admins import sharing_admins
from farandole.events.network_address import host_port
from farandole.operations.current_user import current_user
from farandole.operations.errors import UnavailableError
from farandole.operations.installation import Installation
from farandole.operations.setup.web_address import kept_token, write_address
from farandole.operations.setup.web_settings import DEFAULT_PORT, WebSettings
from farandole.web.access_token import AccessToken
from farandole.web.application import create_application
from farandole.web.authentication import recognition
from farandole.web.console import Console
from farandole.web.request_guard import Gate, RequestGuard

_SHUTDOWN_SECONDS = 5
_SILENT_MS = 60_000
"""A browser that takes nothing for so long is gone: its streams would keep their places."""


class _Server(uvicorn.Server):
    """A server that leaves Ctrl-C and SIGTERM to the service; uvicorn has no other way."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_console(
    installation: Installation,
    settings: WebSettings,
    stopping: asyncio.Event,
    ready: Callable[[str], None],
) -> None:
    """Serve the console until `stopping` is set; call `ready` with a link once it answers. Raises
    UnavailableError (`address_unusable`) if it cannot listen."""
    listener = _listen(settings)
    port = listener.getsockname()[1]
    given = settings.web_token
    token = AccessToken(
        kept_token(installation.folder, given.get_secret_value() if given else None)
    )
    console = Console(installation, settings, token)
    application = RequestGuard(
        create_application(console),
        Gate(
            recognition(settings, token, current_user()), settings.allowed_hosts, settings.web_url
        ),
    )
    server = _Server(
        uvicorn.Config(
            application,
            log_config=None,
            access_log=False,  # it would have the token of the link
            proxy_headers=False,  # `authentication.py` says whom we believe
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
    )
    async with sharing_admins():
        reading = asyncio.create_task(console.model.run())
        serving = asyncio.create_task(server.serve([listener]))
        waiting = asyncio.create_task(stopping.wait())
        try:
            url = settings.web_url or f"http://{host_port(settings.reached_host, port)}/"
            write_address(installation.folder, url, None if given else token.value)
            ready(f"{url}login?token={token.value}" if settings.web_auth == "token" else url)
            await asyncio.wait({serving, waiting, reading}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():  # a fault: without it everything would stay as it is now, unsaid
                reading.result()
        finally:
            console.close()
            server.should_exit = True
            waiting.cancel()
            await console.jobs.close()
            await serving
            reading.cancel()
            await asyncio.wait({reading})


def _listen(settings: WebSettings) -> socket.socket:
    """Return a socket that listens: whoever is told its port reaches it. Raises UnavailableError
    (`address_unusable`)."""
    host, port = settings.web_host, settings.web_port
    try:
        if port is not None:
            return _bound(host, port)
        try:
            return _bound(host, DEFAULT_PORT)
        except OSError:  # another console has it
            return _bound(host, 0)
    except OSError as error:
        raise UnavailableError(
            "address_unusable",
            f"the console cannot listen at {host}:{DEFAULT_PORT if port is None else port}: "
            f"{error.strerror}; name another one by FARANDOLE_WEB_HOST and FARANDOLE_WEB_PORT",
        ) from None


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # on Linux; each connection takes it over
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MS)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener
