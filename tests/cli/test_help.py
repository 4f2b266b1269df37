"""Does the help group the commands, and do other packages get theirs in?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner

from farandole.cli import command_groups
from farandole.cli.__main__ import farandole
from farandole.cli.command_groups import COMMANDS, SECTIONS, load_command
from farandole.cli.rendering.errors import CommandError


def run_help() -> list[str]:
    result = CliRunner().invoke(farandole, ["--help"])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_the_help_shows_every_command_below_its_heading() -> None:
    lines = run_help()
    shown: dict[str, list[str]] = {}
    heading = ""
    for line in lines[lines.index("Run it:") :]:
        if line.endswith(":") and not line.startswith(" "):
            heading = line.removesuffix(":")
            shown[heading] = []
        elif line.startswith("  ") and not line.startswith("   "):
            shown[heading].append(line.split()[0])
    assert {name: tuple(commands) for name, commands in shown.items()} == dict(SECTIONS)
    assert len(COMMANDS) == len(set(COMMANDS))


def commands_with_lists() -> Iterator[tuple[str, ...]]:
    """Yield the words of each help that lists commands."""
    yield ()
    for name in COMMANDS:
        if isinstance(load_command(name), click.Group):
            yield (name,)


@pytest.mark.parametrize("words", [*commands_with_lists()])
def test_no_command_is_described_by_half_a_sentence(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(farandole, [*words, "--help"], terminal_width=80)
    assert result.exit_code == 0, result.output
    lists = result.stdout.partition("-h, --help" if not words else "Commands:")[2]
    assert lists
    assert [line for line in lists.splitlines() if line.endswith("...")] == []


def test_a_package_registers_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = command_groups.registered_commands()
    theirs = EntryPoint("count", "click:Command", command_groups.ENTRY_POINT_GROUP)
    monkeypatch.setattr(
        command_groups, "registered_commands", lambda: {**ours, theirs.name: theirs}
    )
    assert [*command_groups.sections()][-1] == ("Other", ("count",))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = EntryPoint("demo", "no_such_package:demo", command_groups.ENTRY_POINT_GROUP)
    monkeypatch.setattr(command_groups, "registered_commands", lambda: {"demo": missing})
    with pytest.raises(CommandError, match=r"pip install 'farandole\[demo\]'"):
        load_command("demo")
    assert any("demo" in line and "cannot be loaded" in line for line in run_help())


def test_a_command_of_ours_needs_no_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_groups, "registered_commands", dict)
    assert isinstance(load_command("keep-books"), click.Command)
    assert load_command("nothing") is None


def test_the_help_imports_nothing_that_is_slow() -> None:
    """Each command is imported to show its first sentence; what it works with is not."""
    code = (
        "import sys; from farandole.cli.__main__ import main\n"
        "sys.argv = ['farandole', '--help']\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Run it:" in ended.stdout
    modules = ended.stderr.split()
    packages = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names
    at_each_start = {"__main__", "sitecustomize", "_distutils_hack"}  # of an environment
    assert packages - at_each_start == {"click", "farandole"}
    assert "asyncio" not in modules
    rooms = {module.split(".")[1] for module in modules if module.startswith("farandole.")}
    assert rooms.isdisjoint({"lanes", "ledger", "monitor", "notifier", "router", "worker"})
