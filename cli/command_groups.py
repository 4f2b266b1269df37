"""Which commands are there, and under which heading does the help show each?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from keyword import iskeyword

import click

from farandole.cli.rendering.errors import CommandError

ENTRY_POINT_GROUP = "farandole.commands"
"""The entry point group in which packages register commands: `demo =
"farandole.demo.command:demo"`."""
OTHER_SECTION = "Other"

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Run it": ("init", "add", "up", "demo", "trigger", "again", "kafka"),
    "Compose it": (
        "lint", "try", "plan", "apply", "diff", "history", "rollback", "graph", "asyncapi",
        "schema",
    ),
    "Look at it": (
        "status", "runs", "run", "dead", "tail", "trace", "top", "incidents", "audit", "config",
        "doctor",
    ),
    "Act on it": (
        "pause", "resume", "restart", "cancel", "ack", "mute", "seek", "delete", "backup",
        "restore", "test-mail",
    ),
    "Services": (
        "work", "route", "keep-books", "notify", "monitor", "mail-catcher", "completion",
    ),
}  # fmt: skip
"""The most common commands come first. `demo` is loaded by its entry point."""

COMMANDS = tuple(command for commands in SECTIONS.values() for command in commands)
_LOADED_BY_ENTRY_POINT = frozenset({"demo"})


def load_command(name: str) -> click.Command | None:
    """Return a command; None if there is none of that name. Raises CommandError if the package
    that registers it cannot be imported.

    A command of Farandole is in the module of its name, with `_` for a dash:
    `cli/commands/tail.py:tail`; `cli/commands/try_.py:try_`, because Python has that word.
    """
    if name in COMMANDS and name not in _LOADED_BY_ENTRY_POINT:
        attribute = name.replace("-", "_") + "_" * iskeyword(name)
        module = import_module(f"farandole.cli.commands.{attribute}")
        command: click.Command = getattr(module, attribute)
        return command
    found = registered_commands().get(name)
    return _load_registered(found) if found is not None else None


def registered_commands() -> dict[str, EntryPoint]:
    """Return the commands that installed packages register, by name."""
    return {each.name: each for each in entry_points(group=ENTRY_POINT_GROUP)}


def sections() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each heading and its commands; commands of other packages come last."""
    yield from SECTIONS.items()
    others = tuple(sorted(registered_commands().keys() - set(COMMANDS)))
    if others:
        yield OTHER_SECTION, others


def _load_registered(found: EntryPoint) -> click.Command:
    try:
        command = found.load()
    except ImportError as error:
        raise CommandError(
            f"farandole: the command {found.name} cannot be loaded: {error}; "
            f"run: pip install 'farandole[{found.name}]'"
        ) from error
    assert isinstance(command, click.Command)
    return command
