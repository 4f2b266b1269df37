"""What can go wrong between us and a broker?"""


class BrokerError(Exception):
    """The broker did not do what was asked; the message is one line and says what to do next."""


class Unreachable(BrokerError):  # noqa: N818 -- what has happened
    """Nobody answers at the broker's address."""


class Refused(BrokerError):  # noqa: N818 -- what has happened
    """The broker answers, and does not let us in."""


class Unanswered(BrokerError):  # noqa: N818 -- what has happened
    """A deadline has passed: whether the broker did what was asked is unknown."""


class BadSettings(BrokerError):  # noqa: N818 -- what has happened
    """A setting is missing, malformed, or contradicts another."""


class TopicDiffers(BrokerError):  # noqa: N818 -- what has happened
    """A topic exists with another number of partitions than was asked for."""
