"""What does a topology file say now, and how is it saved unless somebody else has saved it?"""

from __future__ import annotations

import difflib
import errno
import hashlib
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from farandole.events.next_step import NextStep
from farandole.operations.errors import ConflictError, RefusedError

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_BYTE_ORDER_MARK = "\ufeff"
_NOT_REPLACED = (errno.EBUSY, errno.EXDEV, errno.EACCES, errno.EPERM)
"""Errors of a file that cannot be replaced by another, such as one that is mounted alone. It may
still be written."""


@dataclass(frozen=True, slots=True)
class FileText:
    """A file as it is saved."""

    file: Path
    content: bytes
    text: str
    """With `\\n` at the end of each line, without a byte order mark."""

    @property
    def revision(self) -> str:
        return content_revision(self.content)

    def content_of(self, text: str) -> bytes:
        """Return a changed text as this file would have it: lines that are not changed keep their
        line breaks, others get the one that most lines have, and a byte order mark stays."""
        written = self.content.decode()
        mark = _BYTE_ORDER_MARK if written.startswith(_BYTE_ORDER_MARK) else ""
        return (mark + _with_line_breaks_of(written.removeprefix(mark), text)).encode()


def content_revision(content: bytes) -> str:
    """Return a text that differs for each content."""
    return hashlib.sha256(content).hexdigest()[:32]


def read_file_text(file: Path) -> FileText:
    """Return what the file says. Raises RefusedError (`file_unusable`)."""
    try:
        content = file.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise RefusedError(
            "file_unusable",
            f"{file} cannot be read ({error.strerror})",
            next_steps=[NextStep("write one with", ("init",))] if missing else [],
            file=str(file),
            missing=missing,
        ) from None
    except UnicodeDecodeError:
        raise RefusedError(
            "file_unusable", f"{file} is not UTF-8; save it so", file=str(file), missing=False
        ) from None
    return FileText(file, content, re.sub(r"\r\n?", "\n", text))


def require_revision(found: FileText, revision: str) -> None:
    """Raise ConflictError (`file_changed`) unless the file is still the one that was read."""
    if found.revision != revision:
        raise ConflictError(
            "file_changed",
            f"{found.file} was saved by somebody else after it was read here; nothing was written: "
            "compare the two and decide",
            file=str(found.file),
            revision=found.revision,
            text=found.text,
        )


def write_file_text(file: Path, content: bytes, revision: str) -> None:
    """Save a file at once, if it is still the one that was read: who follows its saves must not
    read half of it. A link stays a link, and the mode stays. Raises ConflictError
    (`file_changed`) and RefusedError (`file_unwritable`)."""
    require_revision(read_file_text(file), revision)
    replace_file(file, content)


def replace_file(file: Path, content: bytes) -> None:
    """Replace what a file contains, at once. Raises RefusedError (`file_unwritable`)."""
    target = file.resolve()
    draft = target.with_name(f".{target.name}.{os.getpid()}.new")
    try:
        try:
            draft.write_bytes(content)
            shutil.copymode(target, draft)
            with suppress(OSError):
                stat = target.stat()
                os.chown(draft, stat.st_uid, stat.st_gid)
            os.replace(draft, target)
        except OSError as error:
            if error.errno not in _NOT_REPLACED:
                raise
            with target.open("r+b") as existing:  # it is not replaced, but it may be written to
                existing.write(content)
                existing.truncate()
    except OSError as error:
        raise unwritable_error(file, error.strerror or type(error).__name__) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def why_unwritable(file: Path) -> str | None:
    """Return why the file cannot be written here; None if it can."""
    target = file.resolve()
    try:
        if os.statvfs(target).f_flag & os.ST_RDONLY:
            return "it is mounted read-only"
        if not os.access(target, os.W_OK):
            return "this user may not write it"
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def unwritable_error(file: Path, why: str) -> RefusedError:
    """Return the error about a file that cannot be saved here."""
    return RefusedError(
        "file_unwritable",
        f"{file} cannot be written here ({why}); nothing was written or applied: save the text "
        "where the file is kept",
        next_steps=[NextStep("then, if no router follows it, run there", ("apply",))],
        file=str(file),
    )


def _with_line_breaks_of(written: str, text: str) -> str:
    """Return `text` with the line breaks of `written`."""
    lines = _LINE.findall(written)
    breaks = [line[len(line.rstrip("\r\n")) :] for line in lines]
    if all(each in ("\n", "") for each in breaks):
        return text
    usual = max(("\r\n", "\n", "\r"), key=breaks.count)
    plain = [line.rstrip("\r\n") for line in lines]
    wanted = text.split("\n")
    ended = wanted[:-1] if text.endswith("\n") else wanted
    result = [f"{line}{usual}" for line in ended]
    matcher = difflib.SequenceMatcher(None, plain, ended, autojunk=False)
    for before, after, count in matcher.get_matching_blocks():
        for i in range(count):
            result[after + i] = ended[after + i] + (breaks[before + i] or usual)
    joined = "".join(result)
    return joined if text.endswith("\n") or not joined else joined.rstrip("\r\n")
