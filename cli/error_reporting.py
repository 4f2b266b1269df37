"""What does a person see when something goes wrong?"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

import click

DEBUG_VARIABLE = "FARANDOLE_DEBUG"
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
EXIT_BROKEN_PIPE = 1  # what click says where it notices first


class CommandError(Exception):
    """The command did not do what was asked; each line says what is wrong and what to do next."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines: Sequence[str] = lines


@contextmanager
def report_errors(said: Callable[[str], str] = str) -> Iterator[None]:
    """Turn whatever is raised into one line on standard error and an exit code. `said` completes
    what a line tells to do next."""
    try:
        yield
        _flush_stdout()
    except click.exceptions.Exit:
        raise
    except (KeyboardInterrupt, click.Abort):
        _exit_with(EXIT_INTERRUPTED)
    except BrokenPipeError:
        _discard_stdout()
        _exit_with(EXIT_BROKEN_PIPE)
    except click.UsageError as error:
        help_ = f"; see: {error.ctx.command_path} --help" if error.ctx else ""
        _exit_with(error.exit_code, f"farandole: {error.format_message().rstrip('.')}{help_}")
    except click.ClickException as error:
        _exit_with(error.exit_code, f"farandole: {error.format_message()}")
    except CommandError as error:
        _exit_with(1, *map(said, error.lines))
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        if isinstance(error, _explained_errors()):
            _exit_with(1, said(f"farandole: {error}"))
        _exit_with(
            1,
            f"farandole: unexpected {type(error).__name__}: {error} "
            f"(a mistake of ours: {DEBUG_VARIABLE}=1 shows the traceback)",
        )


def _explained_errors() -> tuple[type[Exception], ...]:
    """The errors whose message is the whole story."""
    # Imported at a failure: they come with clients that `lint` and completion do without.
    from farandole.broker.broker_errors import BrokerError
    from farandole.catalog.published_versions import NothingAppliedError
    from farandole.demo.oracle import OracleError
    from farandole.router.topology_store import NotAppliedError
    from farandole.stages.function_loader import FunctionNotFoundError
    from stages.order_lines.order_lines_table import DatabaseUnusable
    from stages.order_lines.source_data import DataMissing

    return (
        BrokerError,
        DataMissing,
        DatabaseUnusable,
        NotAppliedError,
        FunctionNotFoundError,
        NothingAppliedError,
        OracleError,
    )


def _exit_with(code: int, *lines: str) -> NoReturn:
    try:
        _flush_stdout()
        for line in lines:
            print(" ".join(line.split()), file=sys.stderr)
    except BrokenPipeError:
        _discard_stdout()
    sys.exit(code)


def _flush_stdout() -> None:
    sys.stdout.flush()


def _discard_stdout() -> None:
    """Nobody reads our output any more: let Python's own flush at the end fail in silence."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
