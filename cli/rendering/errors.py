"""How are errors shown, and which exit code does each give?"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import click

from farandole.events.next_step import CommandLine, plain_command_line
from farandole.operations.errors import InvalidRequestError, OperationError, translate_error
from farandole.services.errors import ServiceError

DEBUG_VARIABLE = "FARANDOLE_DEBUG"
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
EXIT_BROKEN_PIPE = 1  # what click exits with where it notices first
EXIT_USAGE = 2
_DONE_BY_UP = frozenset({("apply",), ("kafka", "start")})
"""The commands that help next whose work an `up` does as it starts."""


class CommandError(Exception):
    """A command failed for a reason of the command line itself. Each line says what is wrong and
    what to do next."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines: Sequence[str] = lines


@contextmanager
def report_errors(
    command_line: CommandLine = plain_command_line,
    running_up: Callable[[], str | None] = lambda: None,
) -> Iterator[None]:
    """Turn any exception into lines on standard error and an exit code. `command_line` writes the
    commands that help next. `running_up` returns the process that runs `up` for the pipeline; None
    if there is none."""
    try:
        yield
        _flush_stdout()
    except click.exceptions.Exit:
        raise
    except (KeyboardInterrupt, click.Abort):
        _exit_with(EXIT_INTERRUPTED)
    except BrokenPipeError:
        discard_stdout()
        _exit_with(EXIT_BROKEN_PIPE)
    except click.UsageError as error:
        help_ = f"; see: {error.ctx.command_path} --help" if error.ctx else ""
        _exit_with(error.exit_code, f"farandole: {error.format_message().rstrip('.')}{help_}")
    except click.ClickException as error:
        _exit_with(error.exit_code, f"farandole: {error.format_message()}")
    except CommandError as error:
        _exit_with(1, *error.lines)
    except ServiceError as error:
        _exit_with(1, f"farandole: {error}")
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        if isinstance(error, OSError) and error.errno is not None:
            _exit_with(1, f"farandole: {_file_problem(error)}")
        operation_error = translate_error(error)
        if operation_error is not None:
            code = EXIT_USAGE if isinstance(operation_error, InvalidRequestError) else 1
            _exit_with(code, *_operation_lines(operation_error, command_line, running_up))
        _exit_with(
            1,
            f"farandole: unexpected {type(error).__name__}: {error} "
            f"(a mistake of ours: {DEBUG_VARIABLE}=1 shows the traceback)",
        )


def _operation_lines(
    error: OperationError, command_line: CommandLine, running_up: Callable[[], str | None]
) -> list[str]:
    """Return the lines of an error. While an `up` starts, that is what helps."""
    helped = any(step.words in _DONE_BY_UP and not step.note for step in error.next_steps)
    process = running_up() if helped else None
    if process is None:
        return error.lines(command_line)
    wait = f"`up` is starting (process {process}): try again in a few seconds"
    return [*error.details, f"farandole: {error.message}; {wait}"]


def _file_problem(error: OSError) -> str:
    """Return what is wrong with a file, in one line."""
    from farandole.broker.kafka_death import disk_full_text, is_disk_full

    if is_disk_full(error):
        return f"{disk_full_text(error.filename or Path.cwd())}, then try again"
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror}"


def error_text(error: OperationError, command_line: CommandLine = plain_command_line) -> str:
    """Return the lines of an operation's error, without `farandole:`, for use in a page."""
    return "\n".join(line.removeprefix("farandole: ") for line in error.lines(command_line))


def exit_unless_zero(code: int) -> None:
    """End the command with the exit code of a service, unless that is 0."""
    if code:
        raise click.exceptions.Exit(code)


def _exit_with(code: int, *lines: str) -> NoReturn:
    try:
        _flush_stdout()
    except OSError:  # its reader has gone, or its disk is full
        discard_stdout()
    with suppress(BrokenPipeError):
        for line in lines:
            print(" ".join(line.split()), file=sys.stderr)
    sys.exit(code)


def _flush_stdout() -> None:
    sys.stdout.flush()


def discard_stdout() -> None:
    """Discard the rest of the output, since its reader has gone: Python flushes again at exit, and
    that must not fail."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
