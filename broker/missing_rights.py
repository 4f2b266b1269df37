"""Which right is missing where Kafka refuses a request?

Kafka says which kind of resource it refuses, and often its name, but never the operation: whoever
sends a request knows which one it needs.
"""

from __future__ import annotations

from typing import NamedTuple

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)


class Right(NamedTuple):
    """An operation on a resource, by the names that Kafka's access control lists have."""

    operation: str
    kind: str
    """`topic`, `group`, `transactional id` or `cluster`."""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.operation} on the {self.kind} {self.name}".rstrip()


_RIGHTS = {
    # Without Describe a topic is not to be seen; then Kafka says that it does not exist.
    TopicAuthorizationFailedError: ("Describe", "topic"),
    GroupAuthorizationFailedError: ("Read", "group"),
    TransactionalIdAuthorizationFailed: ("Write", "transactional id"),
    ClusterAuthorizationFailedError: ("IdempotentWrite", "cluster"),
}


def missing_right(error: KafkaError, topic_operation: str = "Describe") -> Right | None:
    """Return the right whose lack an error of a client tells; None if it tells of no lack.
    `topic_operation` is what the client wanted to do with the topic."""
    found = next((each for kind, each in _RIGHTS.items() if isinstance(error, kind)), None)
    if found is None:
        return None
    operation, kind = found
    return Right(topic_operation if kind == "topic" else operation, kind, _names(error))


def denial_text(right: Right | str) -> str:
    """Return that Kafka refuses a request for want of a right."""
    return f"Kafka denies us {right}: ask its administrator to allow it (docs/security.md)"


_ADMIN_TEXT = "Unable to get coordinator id for "  # aiokafka's admin client, before the name


def _names(error: KafkaError) -> str:
    """Return the resources that an error names, as far as it does: aiokafka gives it a name, or a
    set of names."""
    names = [name for arg in error.args for name in ([arg] if isinstance(arg, str) else arg)]
    return ", ".join(sorted(str(name).removeprefix(_ADMIN_TEXT) for name in names))
