"""Which commands are there, and under which heading does the help show each?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
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
        "schema", "manifests",
    ),
    "Look at it": (
        "status", "schedules", "switches", "runs", "run", "dead", "parked", "gates", "tail",
        "trace", "top", "profile", "checks", "quality", "incidents", "actions", "audit",
        "config", "doctor",
    ),
    "Act on it": (
        "switch", "flag", "pause", "resume", "throttle", "drain", "backfill", "restart",
        "cancel", "ack", "mute", "seek", "delete", "backup", "restore", "test-mail",
    ),
    "Services": (
        "work", "route", "keep-books", "keep-time", "notify", "monitor", "web",
        "mail-catcher", "completion",
    ),
}  # fmt: skip
"""The most common commands come first. `demo` and `web` are loaded by their entry
points."""

COMMANDS = tuple(command for commands in SECTIONS.values() for command in commands)
_LOADED_BY_ENTRY_POINT = frozenset({"demo", "web"})


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


def require_command(word: str, names: Sequence[str], otherwise: str, ctx: click.Context) -> None:
    """Raise click.UsageError, with the command that was meant, unless `word` is one of `names`.
    `otherwise` says what helps if it is like none of them."""
    if word not in names:
        near = get_close_matches(word, names, n=1)
        remedy = f"did you mean {near[0]!r}?" if near else otherwise
        raise click.UsageError(f"there is no command {word!r}; {remedy}", ctx)


class CommandGroup(click.Group):
    """Some commands under one word, which says what was meant by a misspelt one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not args[0].startswith("-"):
            names = self.list_commands(ctx)
            require_command(args[0], names, self.otherwise(args[0], names), ctx)
        return super().resolve_command(ctx, args)

    def otherwise(self, word: str, names: Sequence[str]) -> str:
        """Return what helps if a word is like no command."""
        return f"there are {', '.join(names)}"


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


class ShowingGroup(CommandGroup):
    """Without the name of one of its commands, the words are those of its command `show`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["show", *args]
        return super().parse_args(ctx, args)


class ListingGroup(CommandGroup):
    """Without the name of one of its commands, the words are those of its command `list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            args = ["list", *args]
        return super().parse_args(ctx, args)
