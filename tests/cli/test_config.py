"""Does `config` print what is in force?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".env").write_text("FARANDOLE_NAMESPACE=blue\nFARANDOLE_SMTP_HOTS=mail\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[str, str]:
    running = process("-C", str(folder), *arguments, env={})
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    return out, err


def test_the_table_says_value_and_source(folder: Path) -> None:
    out, err = run(folder, "--bootstrap", "a:1", "config")
    rows = {line.split("  ")[0]: line.split() for line in out.splitlines()}
    assert rows["FARANDOLE_BOOTSTRAP"][1:] == ["a:1", "option"]
    assert rows["FARANDOLE_NAMESPACE"][1:] == ["blue", ".env"]
    assert rows["FARANDOLE_DEADLINE"][1:] == ["8", "s", "default"]
    assert "FARANDOLE_SMTP_HOTS is no setting; did you mean FARANDOLE_SMTP_HOST?" in err


def test_json_is_the_result_itself(folder: Path) -> None:
    out, err = run(folder, "config", "--json")
    assert json.loads(out)["unknown"] == [
        {"variable": "FARANDOLE_SMTP_HOTS", "near": "FARANDOLE_SMTP_HOST"}
    ]
    assert err == ""
