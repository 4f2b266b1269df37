"""Which command helps next, independent of where it is typed?"""

from __future__ import annotations

from typing import NamedTuple, Protocol


class CommandLine(Protocol):
    """Writes words of a command as a person must type them."""

    def __call__(self, *words: str) -> str: ...


def plain_command_line(*words: str) -> str:
    """Return `farandole WORDS`: what records, logs and programs get."""
    return " ".join(("farandole", *words))


def command_line_with(options: str) -> CommandLine:
    """Return the command line of one installation: `options` are the options after `farandole` that
    reach it, with a space before them; empty if none are needed."""

    def command_line(*words: str) -> str:
        return " ".join((f"farandole{options}", *words))

    return command_line


class NextStep(NamedTuple):
    """A command that a person may type next.

    The words are kept apart from the text, so that each user interface adds the options that lead
    to the same pipeline, or shows a button instead.
    """

    lead: str
    """What the command is for: `run`, `see`, `look again with`. Empty if `note` says it."""
    words: tuple[str, ...]
    """The command and its arguments without `farandole`, quoted for a shell where needed."""
    note: str = ""
    """What follows the command in the sentence, with its space: ` names them`."""

    def text(self, command_line: CommandLine = plain_command_line) -> str:
        """Return `LEAD: farandole WORDS NOTE` with the command as `command_line` writes it."""
        lead = f"{self.lead}: " if self.lead else ""
        return f"{lead}{command_line(*self.words)}{self.note}"

    def __str__(self) -> str:
        return self.text()
