"""Does a command end in words, wherever its output goes?"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from farandole.cli.output import print_notice
from farandole.cli.rendering import errors
from farandole.cli.rendering.errors import report_errors

ROOT = Path(__file__).resolve().parents[2]


def run(words: str, redirection: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell."""
    return subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m farandole {words} {redirection}"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        encoding="latin-1",
        timeout=120,
    )


@pytest.mark.parametrize(
    ("words", "redirection"),
    [
        ("graph", ">&-"),
        ("graph", "<&-"),
        ("graph", "| head -c 1"),
        ("graph", ">/dev/full"),
        ("kafka status --json", ">&- 2>&-"),
        ("nonsense", ">&- 2>&-"),
    ],
)
def test_a_closed_stream_is_no_mistake(words: str, redirection: str) -> None:
    ended = run(words, redirection)
    assert "Traceback" not in ended.stderr
    assert "mistake of ours" not in ended.stderr
    assert "Exception ignored" not in ended.stderr


def test_a_letter_that_the_terminal_lacks_is_written_as_its_escape() -> None:
    ended = run("graph", PYTHONIOENCODING="latin-1")
    assert "\\u2514" in ended.stdout
    assert ended.returncode == 0


def test_a_service_goes_on_when_nobody_reads_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        print_notice("Kafka has died")
        print_notice("it is started again")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (
            errno.ENOSPC,
            "farandole: the disk that holds /x/plan.json is full: free some space, then",
        ),
        (errno.EROFS, "farandole: /x/plan.json: Read-only file system"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(
    number: int, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(errors.DEBUG_VARIABLE, raising=False)
    with pytest.raises(SystemExit), report_errors():
        raise OSError(number, os.strerror(number), "/x/plan.json")
    assert capsys.readouterr().err.startswith(text)
