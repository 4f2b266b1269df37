"""Is a topology file saved as its writer has it, and never over somebody else's save?"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.operations.errors import ConflictError, RefusedError
from farandole.operations.topology.file_text import (
    FileText,
    read_file_text,
    why_unwritable,
    write_file_text,
)

LINES = st.lists(st.sampled_from(["", "a: 1", "  b: x", "# why", "c: [1, 2]"]), max_size=8)
BREAKS = st.sampled_from(["\n", "\r\n", "\r"])


@given(LINES, st.lists(BREAKS, min_size=8, max_size=8), st.booleans(), st.booleans())
def test_a_text_that_nobody_has_changed_is_the_same_bytes(
    lines: list[str], breaks: list[str], ended: bool, marked: bool
) -> None:
    written = "".join(line + end for line, end in zip(lines, breaks, strict=False))
    written = written if ended else written.rstrip("\r\n")
    content = (("\ufeff" if marked else "") + written).encode()
    text = written.replace("\r\n", "\n").replace("\r", "\n")
    assert FileText(Path("f"), content, text).content_of(text) == content


@pytest.mark.parametrize(
    ("content", "text", "saved"),
    [
        (b"a\r\nb\r\nc\r\n", "a\nB\nc\n", b"a\r\nB\r\nc\r\n"),
        (b"a\r\nb\nc\r\n", "a\nnew\nb\nc\n", b"a\r\nnew\r\nb\nc\r\n"),
        (b"a\r\nb", "a\nb\nc", b"a\r\nb\r\nc"),
        (b"\xef\xbb\xbfa\n", "b\n", b"\xef\xbb\xbfb\n"),
        (b"a\nb\n", "a\n", b"a\n"),
        (b"", "a\n", b"a\n"),
    ],
)
def test_a_change_takes_the_line_breaks_of_the_file(
    content: bytes, text: str, saved: bytes
) -> None:
    assert FileText(Path("f"), content, "").content_of(text) == saved


def test_a_link_stays_a_link_and_the_mode_stays(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept.yaml", tmp_path / "topology.yaml"
    kept.write_bytes(b"a: 1\n")
    kept.chmod(0o640)
    link.symlink_to(kept)
    write_file_text(link, b"a: 2\n", read_file_text(link).revision)
    assert link.is_symlink()
    assert kept.read_bytes() == b"a: 2\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["kept.yaml", "topology.yaml"]


def test_a_save_of_somebody_else_is_not_lost(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_bytes(b"a: 1\n")
    revision = read_file_text(file).revision
    file.write_bytes(b"a: 3\n")
    with pytest.raises(ConflictError) as conflict:
        write_file_text(file, b"a: 2\n", revision)
    assert conflict.value.fields["text"] == "a: 3\n"
    assert file.read_bytes() == b"a: 3\n"


def test_a_file_that_is_mounted_alone_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    file = tmp_path / "topology.yaml"
    file.write_bytes(b"a: a long line\n")
    monkeypatch.setattr(os, "replace", refuse)
    write_file_text(file, b"a: 2\n", read_file_text(file).revision)
    assert file.read_bytes() == b"a: 2\n"
    assert [each.name for each in tmp_path.iterdir()] == ["topology.yaml"]


def test_a_full_disk_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    file = tmp_path / "topology.yaml"
    file.write_bytes(b"a: 1\n")
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RefusedError, match=r"cannot be written here \(No space left") as refused:
        write_file_text(file, b"a: 2\n", read_file_text(file).revision)
    assert refused.value.code == "file_unwritable"
    assert file.read_bytes() == b"a: 1\n"


def test_why_a_file_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "topology.yaml"
    file.write_bytes(b"a: 1\n")
    assert why_unwritable(file) is None
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert why_unwritable(file) == "this user may not write it"
    assert why_unwritable(Path("/proc/version")) is not None


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "topology.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RefusedError) as refused:
        read_file_text(file)
    assert refused.value.code == "file_unusable"
    assert refused.value.fields["missing"] is (content is None)
