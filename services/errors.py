"""Why can the services of a pipeline not go on?"""

from __future__ import annotations


class ServiceError(Exception):
    """Services cannot be hosted; the message is one line for a person."""


class QuarantinedError(ServiceError):
    """Every process that was to run has crashed again and again."""

    def __init__(self) -> None:
        super().__init__("a stage crashed again and again; the log above says why")
