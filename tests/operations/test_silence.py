"""Do operations leave terminals and processes alone?"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import farandole.operations

FILES = sorted(Path(farandole.operations.__file__).parent.rglob("*.py"))
INTERFACES = {"click", "rich", "farandole.cli", "farandole.demo", "farandole.services"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: "/".join(file.parts[-2:]))
def test_an_operation_neither_prints_nor_asks_nor_exits(file: Path) -> None:
    tree = ast.parse(file.read_text())
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
        elif isinstance(node, ast.Attribute):
            assert node.attr not in {"isatty", "exit", "stdout", "stderr", "stdin"}
        elif isinstance(node, ast.Name):
            assert node.id not in {"print", "input", "exit"}
    for module in modules:
        assert not any(module == each or module.startswith(f"{each}.") for each in INTERFACES)
