"""What does a person see when something goes wrong?"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

import click

DEBUG = "FARANDOLE_DEBUG"
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
PIPE_BROKEN = 1  # what click says where it notices first


class Failed(Exception):  # noqa: N818 -- what the command did
    """The command did not do what was asked; each line says what is wrong and what to do next."""

    def __init__(self, *lines: str) -> None:
        super().__init__("; ".join(lines))
        self.lines: Sequence[str] = lines


@contextmanager
def told(said: Callable[[str], str] = str) -> Iterator[None]:
    """Turn whatever is raised into one line on standard error and an exit code. `said` completes
    what a line tells to do next."""
    try:
        yield
        _flush()
    except click.exceptions.Exit:
        raise
    except (KeyboardInterrupt, click.Abort):
        _end(INTERRUPTED)
    except BrokenPipeError:
        _deaf()
        _end(PIPE_BROKEN)
    except click.UsageError as error:
        help_ = f"; see: {error.ctx.command_path} --help" if error.ctx else ""
        _end(error.exit_code, f"farandole: {error.format_message().rstrip('.')}{help_}")
    except click.ClickException as error:
        _end(error.exit_code, f"farandole: {error.format_message()}")
    except Failed as error:
        _end(1, *map(said, error.lines))
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        if isinstance(error, _ours()):
            _end(1, said(f"farandole: {error}"))
        _end(
            1,
            f"farandole: unexpected {type(error).__name__}: {error} "
            f"(a mistake of ours: {DEBUG}=1 shows the traceback)",
        )


def _ours() -> tuple[type[Exception], ...]:
    """The errors whose message is the whole story."""
    # Imported at a failure: they come with clients that `lint` and completion do without.
    from farandole.broker.errors import BrokerError
    from farandole.console.demonstration.oracle import OracleError
    from farandole.router.table import NotApplied
    from farandole.stages.loading import NotFound
    from farandole.worker.versions import NothingApplied
    from stages.order_lines.source import DataMissing
    from stages.order_lines.table import DatabaseUnusable

    return (
        BrokerError,
        DataMissing,
        DatabaseUnusable,
        NotApplied,
        NotFound,
        NothingApplied,
        OracleError,
    )


def _end(code: int, *lines: str) -> NoReturn:
    try:
        _flush()
        for line in lines:
            print(" ".join(line.split()), file=sys.stderr)
    except BrokenPipeError:
        _deaf()
    sys.exit(code)


def _flush() -> None:
    sys.stdout.flush()


def _deaf() -> None:
    """Nobody reads our output any more: let Python's own flush at the end fail in silence."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
