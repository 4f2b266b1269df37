"""Which keys belong to a share of all keys?

A key belongs to a share if its hash lies below a threshold. So it belongs at every time and in
every process, and who is in a share of 10 % is in one of 20 % as well."""

from __future__ import annotations

from collections.abc import Callable

from xxhash import xxh3_64_intdigest

_HASHES = 2**64

key_point = xxh3_64_intdigest
"""`key_point(key, seed)` returns the hash of a key, or of the id of an event without one."""


def share_threshold(share: float) -> int:
    """Return what the hashes of the keys of a share between 0 and 1 lie below."""
    return round(share * _HASHES)


def key_seed(salt: str) -> int:
    """Return the seed of the hash of keys. Shares with one `salt` are nested; those with different
    ones are independent of each other."""
    return xxh3_64_intdigest(salt.encode())


def share_test(share: float, salt: str) -> Callable[[bytes], bool]:
    """Return a function that returns True for the keys, or event ids, of a share between 0 and 1;
    `salt` as for `key_seed`."""
    threshold, seed = share_threshold(share), key_seed(salt)

    def is_in_share(key: bytes) -> bool:
        return key_point(key, seed) < threshold

    return is_in_share
