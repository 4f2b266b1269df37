"""Which partition does Kafka choose for a key?"""

from __future__ import annotations

from murmurhash2 import murmurhash2

_SEED = 0x9747B28C  # of Kafka's own murmur2


def partition_for_key(key: bytes, partitions: int) -> int:
    """Return the partition to which Kafka's Java producer writes a key, like all clients that
    follow it."""
    hashed: int = murmurhash2(key, _SEED)
    return (hashed & 0x7FFFFFFF) % partitions
