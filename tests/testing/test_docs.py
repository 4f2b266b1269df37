"""Do the examples of docs/testing.md work as they are written?"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"
BLOCK = re.compile(r"^```(?:python|yaml)\n(# (\S+)\n.*?)^```$", re.MULTILINE | re.DOTALL)


def test_each_code_block_is_a_file_of_a_project_whose_tests_pass(tmp_path: Path) -> None:
    page = PAGE.read_text()
    files = {name: text for text, name in BLOCK.findall(page)}
    assert len(files) == page.count("```") // 2 - page.count("```console")
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


def test_the_example_of_try_prints_what_the_page_shows(tmp_path: Path) -> None:
    page = PAGE.read_text()
    for text, name in BLOCK.findall(page):
        (tmp_path / name).write_text(text)
    command, _, shown = page.partition("```console\n$ ")[2].partition("```")[0].partition("\n")
    words = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert without_times(done.stdout) == without_times(shown)


def without_times(text: str) -> str:
    return re.sub(r"\d+(\.\d+)? (ms|s|us|µs)\b", "TIME", text)
