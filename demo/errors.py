"""Why did the demonstration fail?"""

from __future__ import annotations

from farandole.operations.errors import OperationError


class DemoError(OperationError):
    """The demonstration ended early, or its figures differ."""

    CODES = frozenset(
        {
            "other_pipeline", "data_missing", "database_unusable", "dangerous_changes",
            "workers_ended", "stalled", "not_replayed", "not_settled", "died_again",
            "figures_differ", "figures_unavailable",
        }
    )  # fmt: skip


class OracleError(DemoError):
    """The figures cannot be computed or read; the message says why and what to do, in one line."""

    def __init__(self, message: str) -> None:
        super().__init__("figures_unavailable", message)
