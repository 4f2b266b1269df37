"""What of `.env` reaches the environment?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from farandole.broker.broker_errors import InvalidSettingsError
from farandole.broker.env_file import load_env_file


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    with patch.dict(os.environ):
        yield


def write(folder: Path, text: str | bytes) -> Path:
    raw = text.encode() if isinstance(text, str) else text
    (folder / ".env").write_bytes(raw)
    return folder


def test_its_variables_are_added(tmp_path: Path) -> None:
    text = '# ours\nexport A_TOKEN="a b" # quoted\nB_TOKEN=\n\nC_TOKEN=${A_TOKEN}!\n'
    assert load_env_file(write(tmp_path, text)) == {
        "A_TOKEN": "a b", "B_TOKEN": "", "C_TOKEN": "a b!",
    }  # fmt: skip
    assert os.environ["A_TOKEN"] == "a b"


def test_what_is_set_already_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "")
    assert load_env_file(write(tmp_path, "A_TOKEN=other")) == {}
    assert os.environ["A_TOKEN"] == ""


@pytest.mark.parametrize("make", [Path.mkdir, lambda file: None], ids=["a folder", "nothing"])
def test_no_file_is_no_mistake(tmp_path: Path, make: object) -> None:
    make(tmp_path / ".env")  # type: ignore[operator]
    assert load_env_file(tmp_path) == {}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (b"A_TOKEN=1\nthis is 'no variable\n", ".env:2"),
        (b"A_TOKEN=a\0b\n", ".env:1"),
        (b"A_TOKEN=\xff\n", ".env"),
    ],
    ids=["no variable", "a NUL", "no text"],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: bytes, place: str) -> None:
    with pytest.raises(InvalidSettingsError) as caught:
        load_env_file(write(tmp_path, text))
    assert place in str(caught.value)
    assert "A_TOKEN" not in os.environ
