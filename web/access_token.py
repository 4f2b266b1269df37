"""How does a token become a cookie?

A browser that has shown
it once gets a cookie that proves so: when it ends, and a code over that. Any console that has the
token can check it, and none needs to remember it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

COOKIE_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The secret by which whoever started the console is recognised."""

    value: str

    @property
    def cookie_name(self) -> str:
        """The name of the cookie: browsers send those of all ports, and another console on this
        machine has another token."""
        return f"farandole-{hashlib.sha256(self.value.encode()).hexdigest()[:12]}"

    def matches(self, shown: str) -> bool:
        """Return True if that is the token. The time it takes tells nothing about it."""
        return hmac.compare_digest(shown.encode(), self.value.encode())

    def make_cookie(self, now: float) -> str:
        """Return the value of a cookie that is good for COOKIE_SECONDS. `now` is in seconds of the
        epoch."""
        ends = str(int(now) + COOKIE_SECONDS)
        return f"{ends}.{self._code(ends)}"

    def accepts_cookie(self, value: str, now: float) -> bool:
        """Return True if we made that cookie, and it has not ended."""
        ends, _, code = value.partition(".")
        if not hmac.compare_digest(code.encode(), self._code(ends).encode()):
            return False
        return ends.isascii() and ends.isdigit() and len(ends) < 20 and int(ends) > now

    def _code(self, ends: str) -> str:
        words = f"farandole-web-session {ends}".encode()
        return hmac.new(self.value.encode(), words, hashlib.sha256).hexdigest()
