"""Which failures count as the same failure?"""

from __future__ import annotations

import base64
import re
from functools import lru_cache
from hashlib import blake2b

from farandole.events.safe_text import single_line

MAX_TITLE_LENGTH = 160  # characters
_MESSAGE_CHARACTERS = 1_000  # at the start of a message; the rest is ignored

FINGERPRINT_PATTERN = re.compile(rb"[a-z2-7]{10}")
"""Matches a value of `failure_fingerprint` in a header."""
NO_MESSAGE = "(no message)"

_QUOTED = re.compile(r"""(?<!\w)(?:'[^']*'|"[^"]*"|`[^`]*`|«[^»]*»|“[^”]*”)(?!\w)""")
_NUMBERED = re.compile(r"[\w@:+-]*\d[\w@:+-]*(?:\.\d[\w-]*)*")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_REPEATED = re.compile(r"#(?:[\s,;/.]*#)+")


def failure_title(message: str) -> str:
    """Return a message without the parts that vary from one event to the next: quoted text,
    addresses, and every word with a digit (numbers, times, UUIDs, positions). The result is one
    line, without control characters, of at most MAX_TITLE_LENGTH characters."""
    text = single_line(message[:_MESSAGE_CHARACTERS])
    text = _QUOTED.sub("…", text)
    text = _ADDRESS.sub("…", text)
    text = _REPEATED.sub("#", _NUMBERED.sub("#", text))
    if len(text) > MAX_TITLE_LENGTH:
        return f"{text[: MAX_TITLE_LENGTH - 1]}…"
    return text or NO_MESSAGE


@lru_cache(1024)  # the same failure is seen many times
def failure_fingerprint(stage: str, error: str, title: str) -> str:
    """Return ten characters of base32 that are equal for failures of the same kind."""
    content = "\0".join((stage, error, title)).encode("utf-8", "backslashreplace")
    return base64.b32encode(blake2b(content, digest_size=10).digest()).decode().lower()[:10]
