"""Do all commands write words, numbers and colours by one hand?"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from farandole.cli.command_groups import COMMANDS, SECTIONS, load_command
from farandole.cli.output import print_line, print_wrapped
from farandole.cli.rendering.tables import Alarm, format_columns
from farandole.events.number_format import format_rate, format_share, grouped
from tests.cli.conftest import ROOT, Call

PLAIN = {
    # What they print is a document of another format.
    "asyncapi", "schema", "completion",
}  # fmt: skip
SOURCES = [
    file for room in ("cli", "operations", "demo") for file in sorted((ROOT / room).rglob("*.py"))
]
COLOURS = re.compile(r"click\.style|secho|fg=|x1b\[3")
GROUPED = re.compile(r":,[}.]")


@pytest.mark.parametrize("name", [c for c in COMMANDS if c not in (*SECTIONS["Services"], *PLAIN)])
def test_every_command_that_answers_has_a_json_form(name: str) -> None:
    if name in ("up", "demo"):
        return  # they run services
    command = load_command(name)
    assert command is not None
    parts = [*command.commands.values()] if isinstance(command, click.Group) else []
    for part in [part for part in parts if part.name not in ("start", "stop")] or [command]:
        assert "as_json" in {parameter.name for parameter in part.params}, part.name


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_numbers_and_colours_are_written_in_one_place(file: Path) -> None:
    text = file.read_text()
    assert not GROUPED.search(text) or "_CENTS_SUFFIX" in text, "use events/number_format.py"
    if file.name != "tables.py":
        assert not COLOURS.search(text), "use cli/rendering/tables.py"


def test_numbers_have_thin_spaces_and_ids_do_not() -> None:
    assert [grouped(n) for n in (0, 999, 1204, -1_469_307)] == [
        "0", "999", "1\u202f204", "-1\u202f469\u202f307",
    ]  # fmt: skip
    assert [format_rate(r) for r in (0.04, 9.94, 9.96, 8210.4)] == [
        "0.0",
        "9.9",
        "10",
        "8\u202f210",
    ]
    assert [format_share(s) for s in (0, 0.0039, 1)] == ["0.00", "0.39", "100.00"]


def test_a_colour_changes_no_width() -> None:
    rows = [("stage", "dead"), ("read", Alarm("1\u202f204")), ("validate", "0")]
    plain = [click.unstyle(line) for line in format_columns(rows)]
    assert plain == ["stage      dead", "read      1\u202f204", "validate      0"]
    assert "\x1b[31m1\u202f204\x1b[0m" in format_columns(rows)[1]


def _printing() -> click.Command:
    @click.command()
    def say() -> None:
        print_line(Alarm("somebody must come"))

    return say


@pytest.mark.parametrize(
    ("terminal", "no_color", "coloured"),
    [(True, "", True), (True, "1", False), (False, "", False)],
)
def test_colours_are_for_terminals_without_no_color(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str, coloured: bool
) -> None:
    from farandole.cli import __main__ as main

    monkeypatch.setattr(main.LazyCommandGroup, "get_command", lambda *_: _printing())
    runner = CliRunner(env={"NO_COLOR": no_color})
    result = runner.invoke(main.farandole, ["status"], color=terminal)
    assert ("\x1b" in result.stdout) is coloured
    assert "somebody must come" in result.stdout


@pytest.mark.kafka
def test_the_json_of_a_setting_command_is_its_result(unchanged: Call) -> None:
    paused = json.loads(unchanged("pause", "validate", "--json").stdout)
    assert paused == {"target": "validate", "until": None}
    resumed = json.loads(unchanged("resume", "validate", "--json").stdout)
    assert list(resumed["resumed"]) == ["validate"]


def test_a_line_is_continued_at_a_word_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    line = "  next: 2026-11-25 02:30, 11-26 02:30"
    print_wrapped(line)
    assert capsys.readouterr().out == f"{line}\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_wrapped(line)
    assert capsys.readouterr().out == ("  next: 2026-11-25\n      02:30, 11-26\n      02:30\n")
