"""Does each control document in the docs work if a person types it, under the key beside it?"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import get_args

import pytest

from farandole.events.control_documents import ControlDocument, parse_control

DOCS = Path(__file__).parents[1] / "docs"
ORDER = re.compile(
    r"^\| `(?P<document>\{\"do\": \"(?:fire|backfill)\".*?\})` \|.*\| (?P<command>.*?) \|$", re.M
)
TIME = re.compile(r"\d{4}-\d\d-\d\d(?:T[0-9:]+Z?)?")
LINE = re.compile(r"echo '(?P<document>\{.*\})' \| control -k (?P<key>\S+)")
DELETION = re.compile(r"echo '[^':]+:' \| control -K: -Z")
CELL = re.compile(r"^\| `(?P<document>\{\"do\".*?\})` \|", re.MULTILINE)


def documents(pattern: re.Pattern[str]) -> dict[str, re.Match[str]]:
    found = (
        each for page in sorted(DOCS.glob("*.md")) for each in pattern.finditer(page.read_text())
    )
    return {each[0]: each for each in found}


@pytest.mark.parametrize("line", documents(LINE).values(), ids=lambda line: line["key"])
def test_a_line_of_kcat_writes_a_document_under_its_own_key(line: re.Match[str]) -> None:
    text = line["document"].replace("'$RANDOM'", "7")
    assert parse_control(text.encode()).key == line["key"].encode()


def test_every_kind_of_document_stands_in_the_table_and_in_a_line_of_kcat() -> None:
    kinds = {get_args(kind.model_fields["do"].annotation)[0] for kind in get_args(ControlDocument)}
    table = [parse_control(each["document"].encode()) for each in documents(CELL).values()]
    assert {each.do for each in table} == kinds
    lines = "\n".join(documents(LINE))
    assert {kind for kind in kinds if f'"do": "{kind}"' not in lines} <= {
        "pause", "resume", "acknowledge",
    }  # fmt: skip


def test_an_order_and_the_command_beside_it_are_for_the_same_times() -> None:
    rows = documents(ORDER).values()
    assert len(rows) == 2
    for row in rows:
        written, typed = (
            [datetime.fromisoformat(time) for time in TIME.findall(row[column])]
            for column in ("document", "command")
        )
        assert typed == written  # those without an offset would be of the schedule's zone


def test_a_deletion_by_kcat_has_the_key_in_its_line() -> None:
    """For an empty line kcat writes nothing, whatever `-k` says."""
    lines = [
        line for page in DOCS.glob("*.md") for line in page.read_text().splitlines()
        if " -Z" in line and line.startswith("echo")
    ]  # fmt: skip
    assert lines
    assert [line for line in lines if not DELETION.match(line)] == []


def test_a_shell_function_writes_the_lines_of_kcat() -> None:
    """zsh does not split the words of a variable."""
    for page in DOCS.glob("*.md"):
        text = page.read_text()
        assert "$K" not in text
        assert "| control -" not in text or "\ncontrol() { kcat " in text, page.name
