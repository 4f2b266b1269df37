"""How does an operation fail, in a form that a program can act on?

Every operation raises subclasses of `OperationError` and no other expected error. The class is the
kind of problem, `code` names the problem, and `fields` says what it is about. `message` contains no
command: what can be done next is in `next_steps`, which each user interface renders.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, ClassVar, ParamSpec, TypeVar

from farandole.events.next_step import CommandLine, NextStep, plain_command_line

P = ParamSpec("P")
T = TypeVar("T")


class OperationError(Exception):
    """An operation failed. Only the subclasses are raised."""

    CODES: ClassVar[frozenset[str]] = frozenset()
    """The codes that the class is raised with."""

    def __init__(
        self,
        code: str,
        message: str = "",
        *,
        next_steps: Sequence[NextStep] = (),
        details: Sequence[str] = (),
        **fields: Any,
    ) -> None:
        """`details` are complete lines, such as the findings about a file; with them, `message` may
        be empty. `fields` must be data that can be written as JSON."""
        if code not in self.CODES:
            raise ValueError(f"{type(self).__name__} knows no code {code!r}")
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.next_steps = tuple(next_steps)
        self.fields = fields
        super().__init__("; ".join([*self.details, *self._last_line(plain_command_line)]))

    def lines(self, command_line: CommandLine = plain_command_line) -> list[str]:
        """Return the lines that a terminal shows, with commands as `command_line` writes them."""
        return [*self.details, *(f"farandole: {line}" for line in self._last_line(command_line))]

    def to_data(self) -> dict[str, Any]:
        """Return the error as JSON data."""
        return {
            "code": self.code,
            "message": self.message or "; ".join(self.details),
            "details": list(self.details),
            "fields": self.fields,
            "next_steps": [
                {"lead": step.lead, "command": plain_command_line(*step.words), "note": step.note}
                for step in self.next_steps
            ],
        }

    def _last_line(self, command_line: CommandLine) -> list[str]:
        steps = [step.text(command_line) for step in self.next_steps]
        line = "; ".join([self.message, *steps] if self.message else steps)
        return [line] if line else []


class InvalidRequestError(OperationError):
    """The request contradicts itself or lacks something: another request may succeed."""

    CODES = frozenset({"invalid_request"})


class NotFoundError(OperationError):
    """The object of the request does not exist."""

    CODES = frozenset(
        {
            "unknown_stage", "unknown_flag", "unknown_event_type", "unknown_version", "unknown_run",
            "unknown_incident", "unknown_letter", "unknown_event", "unknown_partition",
            "no_run_rows", "nothing_applied", "pipeline_unknown", "unknown_limit",
            "unknown_schedule", "unknown_backfill", "unknown_job", "not_profiled", "no_profile",
            "no_checks", "unknown_row", "unknown_anomaly", "unknown_numbers", "unknown_object",
            "unknown_route",
        }
    )  # fmt: skip


class ConflictError(OperationError):
    """The state of the installation does not allow it now."""

    CODES = frozenset(
        {
            "ambiguous_run", "run_closed", "incident_resolved", "workers_alive", "offset_moved",
            "offset_taken", "offset_not_lost", "offset_out_of_range", "one_offset_for_many",
            "topic_changed", "not_applied", "newer_format", "subscribed_elsewhere", "books_behind",
            "not_empty", "offsets_differ", "backfill_ended", "file_changed", "stale_token",
            "already_expected", "not_ignored",
        }
    )  # fmt: skip


class RefusedError(OperationError):
    """The request is possible, but refused because it would be wrong or dangerous."""

    CODES = frozenset(
        {
            "findings", "dangerous_changes", "code_missing", "event_type_emitted", "data_invalid",
            "unfit_value", "too_many_to_edit", "no_subscriber", "no_root", "record_refused",
            "plan_file_unusable", "file_unusable", "confirmation_missing", "mail_refused",
            "files_in_the_way", "folder_unusable", "unsettled", "unfit_switch", "unfit_throttle",
            "future_time", "unplanned_time", "nothing_to_fire", "too_many_planned",
            "order_refused", "arrival_missing", "file_unwritable", "edit_refused",
            "settings_unfit", "file_too_large",
        }
    )  # fmt: skip


class GoneError(OperationError):
    """The object has existed, and retention has deleted it."""

    CODES = frozenset({"root_gone", "event_gone"})


class UnavailableError(OperationError):
    """Something outside of the product does not answer or denies access."""

    CODES = frozenset(
        {
            "broker_unreachable", "access_denied", "deadline_exceeded", "settings_invalid",
            "topic_mismatch", "broker_failed", "monitor_unreachable", "order_unfinished",
            "mail_not_delivered", "router_silent", "address_unusable", "too_many_jobs",
            "too_many_streams",
        }
    )  # fmt: skip


_BROKER_CODES = {
    "UnreachableError": "broker_unreachable",
    "AccessDeniedError": "access_denied",
    "DeadlineExceededError": "deadline_exceeded",
    "InvalidSettingsError": "settings_invalid",
    "TopicMismatchError": "topic_mismatch",
}


def translate_error(error: Exception) -> OperationError | None:
    """Return the operation error for an error of a lower room; None if a person or a program cannot
    act on the error."""
    # Imported only at a failure: these import clients that `lint` and completion do not need.
    from farandole.broker.broker_errors import BrokerError
    from farandole.catalog.published_versions import NothingAppliedError
    from farandole.events.row_format import NewerFormatError
    from farandole.router.topology_store import NotAppliedError
    from farandole.stages.function_loader import UnusableFunctionError

    if isinstance(error, OperationError):
        return error
    message = str(getattr(error, "message", error))
    step = getattr(error, "next_step", None)
    steps = (step,) if step is not None else ()
    if isinstance(error, BrokerError):
        codes = (_BROKER_CODES.get(each.__name__) for each in type(error).__mro__)
        code = next((code for code in codes if code is not None), "broker_failed")
        return UnavailableError(code, message, next_steps=steps)
    if isinstance(error, NothingAppliedError):
        return NotFoundError("nothing_applied", message, next_steps=steps)
    if isinstance(error, NotAppliedError):
        return ConflictError("not_applied", message, next_steps=steps)
    if isinstance(error, NewerFormatError):
        return ConflictError("newer_format", message, next_steps=steps)
    if isinstance(error, UnusableFunctionError):
        return RefusedError("code_missing", message, next_steps=steps)
    return None


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise the errors of lower rooms as operation errors while the block runs."""
    try:
        yield
    except Exception as error:
        translated = translate_error(error)
        if translated is None or translated is error:
            raise
        raise translated from error


OPERATION_KIND = "operation_kind"
"""The attribute of a decorated function that says what it is: `operation`, `query` or `stream`."""


def operation(function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a coroutine function that is an operation: it raises OperationError alone."""

    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        with translated_errors():
            return await function(*args, **kwargs)

    setattr(wrapper, OPERATION_KIND, "operation")
    return wrapper


QUERY_TRIES = 3
"""How often Kafka is asked in all if it does not answer in time."""


def query(function: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a coroutine function that is an operation and changes nothing. Where Kafka does not
    answer in time it is called again, QUERY_TRIES times in all."""

    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        with translated_errors():
            for tries_left in range(QUERY_TRIES - 1, -1, -1):
                try:
                    return await function(*args, **kwargs)
                except Exception as error:
                    if not (tries_left and _is_late_answer(error)):
                        raise
                    _log_late_answer(error)
            raise AssertionError("the last try has returned or raised")

    setattr(wrapper, OPERATION_KIND, "query")
    return wrapper


def _log_late_answer(error: Exception) -> None:
    import structlog  # not before it is needed: every command imports this module

    log = structlog.get_logger()
    log.warning("kafka.slow", why=str(error), remedy="it is asked once more")


def _is_late_answer(error: Exception) -> bool:
    """Return True if Kafka has not answered in time. (An OperationError is of a query inside, which
    has asked again already.)"""
    from farandole.broker.broker_errors import DeadlineExceededError, NoAnswerError

    return isinstance(error, DeadlineExceededError | NoAnswerError)


def operation_stream(function: Callable[P, AsyncGenerator[T]]) -> Callable[P, AsyncGenerator[T]]:
    """Decorate an async generator function that is an operation: it raises OperationError alone."""

    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
        stream = function(*args, **kwargs)
        try:
            with translated_errors():
                async for item in stream:
                    yield item
        finally:
            close = getattr(stream, "aclose", None)
            if close is not None:  # a generator that is left early must close its consumers
                await close()

    setattr(wrapper, OPERATION_KIND, "stream")
    return wrapper
