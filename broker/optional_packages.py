"""Which extra must be installed for a command that needs optional packages?"""

from __future__ import annotations

from importlib.util import find_spec

from farandole.broker.broker_errors import BrokerError


class MissingExtraError(BrokerError):
    """Packages of an extra are not installed; the message says how to install them."""


def require_extra(extra: str, purpose: str, *packages: str) -> None:
    """Raise MissingExtraError if one of `packages` cannot be found. They are not imported.

    `extra` is the extra of `pyproject.toml` that brings them; `purpose` begins the message.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f"{purpose} needs {', '.join(missing)}: pip install 'farandole[{extra}]'"
        )
