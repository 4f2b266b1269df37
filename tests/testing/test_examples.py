"""Do the tests of the examples pass, as their users run them?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "file", sorted((ROOT / "examples").glob("*/test_*.py")), ids=lambda file: file.parent.name
)
def test_the_tests_of_an_example_pass(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir=.", "-c", "/dev/null",
         "-p", "farandole.testing.pytest_plugin", "-p", "no:cacheprovider", file.name],
        cwd=file.parent,
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert f"{file.read_text().count('def test_')} passed" in done.stdout
