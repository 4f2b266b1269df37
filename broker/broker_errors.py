"""Which errors can a request to Kafka raise?"""

from __future__ import annotations

from farandole.events.next_step import NextStep


class BrokerError(Exception):
    """The broker did not do what was asked; the text is one line and says what to do next."""

    def __init__(self, message: str, next_step: NextStep | None = None) -> None:
        """The error's text is `message`, and after it `next_step`, whose command is not in
        `message`."""
        super().__init__(message if next_step is None else f"{message}; {next_step}")
        self.message = message
        self.next_step = next_step


class UnreachableError(BrokerError):
    """Nobody answers at the broker's address."""


class NoAnswerError(UnreachableError):
    """Nobody has answered in time; somebody may listen at the address."""


class ForeignClusterError(UnreachableError):
    """Another cluster answers at the address than the one that belongs there."""

    def __init__(self, server: str, found: str | None, expected: str) -> None:
        super().__init__(
            f"what listens at {server} is not this folder's Kafka"
            f" (cluster {found}, expected {expected})",
            NextStep("start it", ("kafka", "start"), ", or correct FARANDOLE_CLUSTER_ID"),
        )


class AccessDeniedError(BrokerError):
    """The broker answers, and does not let us in."""


class DeadlineExceededError(BrokerError):
    """A deadline has passed: whether the broker did what was asked is unknown."""


class InvalidSettingsError(BrokerError):
    """A setting is missing, malformed, or contradicts another."""


class TopicMismatchError(BrokerError):
    """A topic exists with another number of partitions than was asked for."""


class ProducerFencedError(BrokerError):
    """Another producer has started under our transactional id, or our transaction outlived its
    time-out: it is not committed, and this producer can write no more."""


class MembershipOverError(BrokerError):
    """Kafka refuses the offsets of a transaction: the consumer that sends them is no member of its
    group in this generation. The transaction can only be aborted."""


class RecordRejectedError(BrokerError):
    """Kafka refuses a record, and would refuse it again: it is too large."""


class TransactionFailedError(BrokerError):
    """The client or the broker failed within a transaction: whether it is committed is unknown."""


class WriteDeniedError(TransactionFailedError, AccessDeniedError):
    """Kafka refuses a record, or an offset, of a transaction for want of a right."""
