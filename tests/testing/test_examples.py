"""Do the tests of the examples pass, as their users run them?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_shop_is_tested_in_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--rootdir=.", "-c", "/dev/null",
         "-p", "farandole.testing.pytest_plugin", "-p", "no:cacheprovider", "test_shop.py"],
        cwd=ROOT / "examples" / "shop",
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_the_readme_shows_the_example() -> None:
    example = (ROOT / "examples" / "shop" / "test_shop.py").read_text()
    assert example.partition("\n\n\n")[0] in (ROOT / "README.md").read_text()
