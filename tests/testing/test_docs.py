"""Do the examples of docs/testing.md work as they are written?"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCK = re.compile(r"^```(?:python|yaml)\n(# (\S+)\n.*?)^```$", re.MULTILINE | re.DOTALL)


def test_each_code_block_is_a_file_of_a_project_whose_tests_pass(tmp_path: Path) -> None:
    page = PAGE.read_text()
    files = {name: text for text, name in BLOCK.findall(page)}
    assert len(files) == page.count("```") // 2
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    plugin = "farandole.testing.pytest_plugin"  # loaded by its entry point where it is installed
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", plugin, "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    tests = sum(text.count("def test_") for text in files.values())
    assert f"{tests} passed" in done.stdout
