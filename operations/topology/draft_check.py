"""What is wrong with a topology file that is not saved yet?

Its functions are imported, and whatever their modules do happens in a process that ends with the
check.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from farandole.operations.topology_source import TopologySource
from farandole.router.isolated_check import CheckVerdict, IsolatedChecker

_TIMEOUT_SECONDS = 15.0  # seconds for one check: somebody waits for it
_AT_ONCE = 2  # checks; each takes a processor for a moment


class DraftChecker:
    """Checks drafts of files whose functions are in `folder`, a few at a time."""

    def __init__(self, folder: Path, namespace: str, timeout: float = _TIMEOUT_SECONDS) -> None:
        """`timeout` is in seconds, for one check."""
        self._checker = IsolatedChecker(folder, namespace, timeout=timeout, silent=True)
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def check(self, source: TopologySource, content: bytes) -> CheckVerdict:
        """Return the verdict of the linter on a content of a file that is not saved; its findings
        name the file. Raises nothing that a draft is to blame for."""
        async with self._places:
            with _temporary_file(source.file.name, content) as draft:
                verdict = await self._checker.check(draft)
        await self._checker.prepare()
        found = (replace(each, file=str(source.file)) for each in verdict.findings)
        return CheckVerdict(tuple(found), verdict.derived)

    async def unusable_functions(self, functions: Sequence[str]) -> dict[str, str]:
        """Return why a stage cannot run a function, by function (`package.module:function`); those
        that one can run are left out."""
        async with self._places:
            return await self._checker.unusable_functions(functions)

    async def close(self) -> None:
        """End the process that waits for the next draft."""
        await self._checker.close()


@contextmanager
def _temporary_file(name: str, content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="farandole-draft-") as folder:
        file = Path(folder, os.path.basename(name))
        file.write_bytes(content)
        yield file
