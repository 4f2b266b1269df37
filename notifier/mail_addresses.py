"""Is this an address that every mail server takes?"""

from __future__ import annotations

import re

# What needs no quoting and no SMTPUTF8; RFC 5321 allows 64 and 254 characters.
_ADDRESS = re.compile(
    r"(?=.{3,254}\Z)[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@"
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
)


def is_plain_address(address: str) -> bool:
    """`somebody@example.com`: a bare ASCII address, without a name and brackets."""
    local = address.partition("@")[0]
    if local.startswith(".") or local.endswith(".") or ".." in local or "=?" in local:
        return False  # `=?` begins an encoded word: what reads the mail would see another address
    return _ADDRESS.fullmatch(address) is not None


def address_domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
