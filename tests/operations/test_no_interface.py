"""Do operations leave it to their caller to print, to ask and to end?"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOM = Path(__file__).parents[2] / "operations"
INTERFACES = ("click", "rich", "farandole.cli", "farandole.demo", "farandole.services")


NAMES = {"print", "input", "exit", "SystemExit"}
ATTRIBUTES = {"sys.exit", "os._exit", "sys.argv", "sys.stdin", "sys.stdout", "sys.stderr"}


def offences(tree: ast.AST) -> Iterator[str]:
    """What in a module talks to a terminal or ends the process."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in NAMES:
            yield node.id
        elif isinstance(node, ast.Attribute):
            if node.attr == "isatty" or ast.unparse(node) in ATTRIBUTES:
                yield ast.unparse(node)
        elif isinstance(node, ast.Import):
            yield from (f"import {a.name}" for a in node.names if a.name.startswith(INTERFACES))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(INTERFACES):
            yield f"from {node.module} import"


OPERATIONS = sorted(
    file
    for file in ROOM.rglob("*.py")
    if not file.stem.endswith("_main")  # a program of its own, which answers its parent
)


@pytest.mark.parametrize("file", OPERATIONS, ids=lambda f: str(f.relative_to(ROOM)))
def test_an_operation_neither_prints_nor_exits(file: Path) -> None:
    assert [*offences(ast.parse(file.read_text()))] == []


@pytest.mark.parametrize(
    "code",
    [
        "print(1)", "sys.exit(1)", "raise SystemExit", "sys.stderr.isatty()", "import click",
        "from rich.table import Table", "from farandole.cli.output import print_line",
        "sys.stdout.write('')", "os._exit(1)",
    ],
)  # fmt: skip
def test_what_an_operation_must_not_do_is_found(code: str) -> None:
    assert [*offences(ast.parse(code))]
