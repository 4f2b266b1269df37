"""Is the token of the console kept where only its owner reads it?"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from farandole.operations.diagnosis.console_check import check_console
from farandole.operations.setup.web_address import (
    ADDRESS_FILE,
    kept_token,
    read_address,
    write_address,
)

URL = "http://127.0.0.1:8217/"


def test_the_token_is_kept_where_only_its_owner_reads_it(tmp_path: Path) -> None:
    token = kept_token(tmp_path, None)
    assert write_address(tmp_path, URL, token)
    file = tmp_path / ADDRESS_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert kept_token(tmp_path, None) == token
    assert read_address(tmp_path) == (URL, os.getpid())


def test_a_token_that_others_could_read_is_replaced(tmp_path: Path) -> None:
    token = kept_token(tmp_path, None)
    write_address(tmp_path, URL, token)
    (tmp_path / ADDRESS_FILE).chmod(0o644)
    assert kept_token(tmp_path, None) != token


@pytest.mark.parametrize("content", ["", "[]", '{"token": 5}', '{"token": "short"}', "nonsense"])
def test_a_file_without_a_token_gets_a_new_one(tmp_path: Path, content: str) -> None:
    file = tmp_path / ADDRESS_FILE
    file.parent.mkdir()
    file.touch(0o600)
    file.write_text(content)
    assert len(kept_token(tmp_path, None)) > 30


def test_a_token_of_the_settings_is_not_written_down(tmp_path: Path) -> None:
    token = kept_token(tmp_path, "given by the environment")
    write_address(tmp_path, URL, None)
    assert token not in (tmp_path / ADDRESS_FILE).read_text()


def test_where_the_folder_cannot_be_written_the_console_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / ".farandole").touch()
    assert not write_address(tmp_path, URL, "a token")


def test_doctor_says_where_the_console_is_and_who_reads_its_token(tmp_path: Path) -> None:
    assert check_console(tmp_path).found == "none was started here"
    write_address(tmp_path, URL, kept_token(tmp_path, None))
    assert check_console(tmp_path).found == f"at {URL}, process {os.getpid()}"
    (tmp_path / ADDRESS_FILE).chmod(0o640)
    row = check_console(tmp_path)
    assert (row.state, row.remedy and row.remedy[:3]) == ("warning", "rm ")
