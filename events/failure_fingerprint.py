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

_ANY_NAME = re.compile(r"[A-Za-z_]{1,64}")
_CODE_NAMES = {
    # A key in capitals is rather a code in the data (`KeyError('UA')`) than a field's name.
    "KeyError": re.compile(r"[a-z_][A-Za-z_]{0,63}"),
    **dict.fromkeys(
        ("AttributeError", "ImportError", "ModuleNotFoundError", "NameError", "TypeError",
         "UnboundLocalError"),
        _ANY_NAME,
    ),
}  # fmt: skip
"""Python's errors about names, and what a name of the code looks like in their messages."""

_QUOTED = re.compile(r"""(?<!\w)(?:'[^']*'|"[^"]*"|`[^`]*`|«[^»]*»|“[^”]*”)(?!\w)""")
_NUMBERED = re.compile(r"[\w@:+-]*\d[\w@:+-]*(?:\.\d[\w-]*)*")
_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_REPEATED = re.compile(r"#(?:[\s,;/.]*#)+")


def failure_title(message: str, error: str = "") -> str:
    """Return a message without the parts that vary from one event to the next: quoted text,
    addresses, and every word with a digit (numbers, times, UUIDs, positions). Where `error` is one
    of Python's errors about names (`KeyError: 'seats'`), a quoted name stays: it is one of the
    code. The result is one line, without control characters, of at most MAX_TITLE_LENGTH
    characters."""
    text = single_line(message[:_MESSAGE_CHARACTERS])
    name = _CODE_NAMES.get(error)

    def without_value(quoted: re.Match[str]) -> str:
        whole = quoted[0]
        return whole if name is not None and name.fullmatch(whole[1:-1]) else "…"

    text = _QUOTED.sub(without_value, text)
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
