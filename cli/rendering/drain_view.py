"""How is a drain shown in a terminal?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from farandole.cli.rendering.control_text import by_text
from farandole.events.next_step import CommandLine
from farandole.events.safe_text import single_line
from farandole.events.time_format import utc_timestamp
from farandole.operations.reason_text import reason_message, reason_text

if TYPE_CHECKING:
    from farandole.operations.drain.drain_state import DrainState


def drain_lines(state: DrainState, command_line: CommandLine) -> Iterator[str]:
    """Yield what a drain has come to, and a line for each hindrance."""
    if state.state == "open" or state.since is None:
        yield f"{state.pipeline} is not drained: its roots go on"
        return
    by = by_text(state.by, state.comment)
    until = f" until {utc_timestamp(state.until)}" if state.until else ""
    order = f"ordered{by} at {utc_timestamp(state.since)}{until}"
    if state.state == "drained":
        yield f"{state.pipeline} is drained ({order}); let it go on: {command_line(*end_words())}"
        return
    yield f"{state.pipeline} is draining ({order}):"
    yield from (f"  {single_line(reason_text(each, command_line))}" for each in state.hindrances)


def end_words() -> tuple[str, ...]:
    """Return the words of the command that ends a drain."""
    return ("drain", "--end")


def progress_text(state: DrainState) -> str:
    """Return what still hinders, in one line."""
    return f"{state.pipeline}: {'; '.join(map(reason_message, state.hindrances))}"
