"""Up to where has a reader read everything that it follows?

A revision is a vector of offsets. It depends on nothing but the records that were read, so two
replicas that have read the same have the same revision, and each of them can go on from the
other's.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from types import MappingProxyType
from typing import NamedTuple

_PART = re.compile(r"([A-Za-z0-9_-]{8})([0-9a-f]{1,16})")
_MAX_PARTS = 10_000


class Place(NamedTuple):
    """Where a row stands in the log."""

    source: str
    """The partition, as `source_name` calls it."""
    offset: int


def source_name(topic: str, topic_id: str, partition: int) -> str:
    """Return the name of a partition in revisions: eight characters. A topic that is deleted and
    created again has another one, where Kafka tells ids of topics; `topic_id` is empty where it
    does not."""
    digest = blake2b(f"{topic}\n{topic_id}\n{partition}".encode(), digest_size=6).digest()
    return urlsafe_b64encode(digest).decode()


class Revision:
    """By source, the offset before which every row is known. A source that is not named is at
    0."""

    __slots__ = ("_by_source",)

    def __init__(self, offsets: Mapping[str, int] = MappingProxyType({})) -> None:
        self._by_source = {source: offset for source, offset in offsets.items() if offset > 0}

    @classmethod
    def parse(cls, text: str) -> Revision | None:
        """Return the revision that a text says; None if it says none."""
        if not text:
            return cls()
        found = [_PART.fullmatch(part) for part in text.split(".", _MAX_PARTS)]
        if len(found) > _MAX_PARTS or None in found:
            return None
        return cls({match[1]: int(match[2], 16) for match in found if match})

    def __str__(self) -> str:
        """Return the revision as one text, of letters, digits, `-`, `_` and `.`."""
        return ".".join(f"{source}{offset:x}" for source, offset in sorted(self._by_source.items()))

    def __getitem__(self, source: str) -> int:
        return self._by_source.get(source, 0)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the sources that are not at 0."""
        return iter(self._by_source)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Revision) and self._by_source == other._by_source

    def __hash__(self) -> int:
        return hash(frozenset(self._by_source.items()))

    def __repr__(self) -> str:
        return f"Revision({str(self)!r})"

    def contains(self, place: Place) -> bool:
        """Return True if the row at this place is known at this revision."""
        return place.offset < self[place.source]

    def joined(self, other: Revision) -> Revision:
        """Return the revision at which everything is known that is known at either of the two."""
        both = dict(self._by_source)
        for source, offset in other._by_source.items():
            both[source] = max(offset, both.get(source, 0))
        return Revision(both)
