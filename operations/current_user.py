"""Who is using this machine?"""

from __future__ import annotations

import getpass
import socket


def current_user() -> str:
    """Return `user@host`, for people to read; `host` alone if the user has no name."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError):
        return socket.gethostname()
