"""Which mail addresses does every mail server accept?"""

from __future__ import annotations

import re

# Addresses that need neither quoting nor SMTPUTF8. RFC 5321 allows 64 and 254 characters.
_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


def is_plain_address(address: str) -> bool:
    """Return True for a bare ASCII address, `somebody@example.com`, without name and brackets."""
    local = address.partition("@")[0]
    if local.startswith(".") or local.endswith(".") or ".." in local or "=?" in local:
        # `=?` begins an encoded word, which a mail program would decode to another address.
        return False
    return _ADDRESS.fullmatch(address) is not None


def address_domain(address: str) -> str:
    """Return the part after the `@`, in lower case."""
    return address.rpartition("@")[2].lower()
