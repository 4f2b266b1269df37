"""Where does the console of a folder listen, and which token opens it?"""

from __future__ import annotations

import os
import secrets
import stat
import time
from pathlib import Path
from typing import Any

import orjson

ADDRESS_FILE = Path(".farandole") / "web.json"
"""The file in the pipeline's folder with the token, and where the console listens."""
_MIN_KEPT_LENGTH = 32  # characters


def kept_token(folder: Path, given: str | None) -> str:
    """Return the token: the `given` one, that of the folder's file, or a new one. A file that
    others could read or write is not believed."""
    if given is not None:
        return given
    kept = _kept_token(folder / ADDRESS_FILE)
    return kept or secrets.token_urlsafe(_MIN_KEPT_LENGTH)


def write_address(folder: Path, url: str, token: str | None) -> bool:
    """Write where the console listens, and the token that is to be kept, readable to its owner
    alone. Return False where the folder cannot be written."""
    file = folder / ADDRESS_FILE
    kept = {} if token is None else {"token": token}
    document = {"url": url, "pid": os.getpid(), "started": time.time(), **kept}
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(exist_ok=True)
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as handle:
            handle.write(orjson.dumps(document))
        unfinished.replace(file)
    except OSError:
        return False
    return True


def read_address(folder: Path) -> tuple[str, int] | None:
    """Return where the console listens that was started last in a folder, and its process; None if
    none was."""
    document = _document(folder / ADDRESS_FILE)
    url, pid = document.get("url"), document.get("pid")
    return (url, pid) if isinstance(url, str) and isinstance(pid, int) else None


def is_private(file: Path) -> bool:
    """Return True if the file's owner alone can read and write it, and is us."""
    found = file.stat()
    return not stat.S_IMODE(found.st_mode) & 0o077 and found.st_uid == os.getuid()


def _kept_token(file: Path) -> str | None:
    try:
        if not is_private(file):
            return None
    except OSError:
        return None
    token = _document(file).get("token")
    return token if isinstance(token, str) and len(token) >= _MIN_KEPT_LENGTH else None


def _document(file: Path) -> dict[str, Any]:
    try:
        document = orjson.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}
