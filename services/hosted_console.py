"""Where is the web console found that `up` starts, before it has started?"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farandole.broker.settings import ENV_PREFIX
from farandole.events.network_address import host_port
from farandole.operations.setup.web_address import kept_token, write_address
from farandole.operations.setup.web_settings import DEFAULT_PORT, WebSettings


@dataclass(frozen=True, slots=True)
class HostedConsole:
    """A console that is going to be started."""

    link: str
    """What a person opens; it has the token, if one is asked for."""
    environment: Mapping[str, str]
    """What tells its process the port, and the token where no file can."""


def prepare_console(folder: Path) -> HostedConsole:
    """Choose the port of the console of a folder, which it keeps if it is started again, and write
    down its token. Raises InvalidSettingsError."""
    settings = WebSettings.load(folder)
    port = settings.web_port or _free_port(settings)
    url = settings.web_url or f"http://{host_port(settings.reached_host, port)}/"
    environment = {f"{ENV_PREFIX}WEB_PORT": str(port)}
    if settings.web_auth != "token":
        return HostedConsole(url, environment)
    given = settings.web_token
    token = kept_token(folder, given.get_secret_value() if given else None)
    if given is None and not write_address(folder, url, token):
        environment[f"{ENV_PREFIX}WEB_TOKEN"] = token
    return HostedConsole(f"{url}login?token={token}", environment)


def _free_port(settings: WebSettings) -> int:
    """Return the usual port or, if that is taken or any was asked for, a free one."""
    for port in (DEFAULT_PORT, 0) if settings.web_port is None else (0,):
        family = socket.AF_INET6 if ":" in settings.web_host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((settings.web_host, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    return DEFAULT_PORT  # the console itself says why it cannot listen
