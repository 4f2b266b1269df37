"""Is a file fit to be applied, as seen by a new process that has imported none of its functions?

A process does not read a module again that it has imported, and functions change while a router
runs. So a child process checks one file and ends. The next child is started ahead of time, because
its imports take longer than the check.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from farandole.events.kafka_names import KafkaNames
from farandole.router.lint_finding import Finding
from farandole.router.topology_derivation import DerivedTopology, derive_topology
from farandole.router.topology_file_check import check_topology_file

CHECK_TIMEOUT_SECONDS = 60.0  # seconds for a check, which imports users' modules


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """What is wrong with a file, and which topology it describes; `derived` is None if it must not
    be applied."""

    findings: tuple[Finding, ...]
    derived: DerivedTopology | None = None


class IsolatedChecker:
    """Checks files whose functions are in `folder`, each in a process of its own."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self._folder = folder.resolve()
        self._namespace = namespace
        self._next: asyncio.subprocess.Process | None = None

    async def prepare(self) -> None:
        """Start the process that will check the next file, unless it runs already."""
        if self._next is None or self._next.returncode is not None:
            self._next = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the current folder must not hide our own packages
                "-m",
                "farandole.router.isolated_check",
                str(self._folder),
                self._namespace,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=2**26,
                start_new_session=True,  # Ctrl-C is for this process only
            )

    async def check(self, file: Path) -> CheckVerdict:
        """Read a file, import its functions, check and derive it. Raises nothing."""
        await self.prepare()
        child, self._next = self._next, None
        assert child is not None
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
                answer, _ = await child.communicate(f"{file}\n".encode())
        except TimeoutError:
            message = f"its functions cannot be imported within {CHECK_TIMEOUT_SECONDS:g} s"
            return _refused_verdict(
                file, message, "do nothing at the top level of their modules that waits"
            )
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode or not answer:
            message = f"the process that imported its functions ended with {child.returncode}"
            return _refused_verdict(file, message, "see what their modules do at their top level")
        return TypeAdapter(CheckVerdict).validate_json(answer)

    async def close(self) -> None:
        """End the process that waits for a file."""
        if self._next is not None and self._next.returncode is None:
            self._next.kill()
            await self._next.wait()


def _refused_verdict(file: Path, message: str, remedy: str) -> CheckVerdict:
    return CheckVerdict((Finding(str(file), 1, 1, message, remedy, code="functions"),))


def check_in_this_process(file: Path, names: KafkaNames, folder: Path) -> CheckVerdict:
    """Check a file in this process."""
    checked = check_topology_file(file, names, folder)
    findings = tuple(checked.findings)
    if not checked.is_fit or checked.topology is None:
        return CheckVerdict(findings)
    return CheckVerdict(findings, derive_topology(checked.topology, checked.signatures, names))


def main() -> None:
    """Check the one file that standard input names, and write the verdict to standard output."""
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what users' modules print must not mix with the verdict
        file = sys.stdin.readline().rstrip("\n")
        if file:
            verdict = check_in_this_process(Path(file), KafkaNames(sys.argv[2]), Path(sys.argv[1]))
            answer.write(TypeAdapter(CheckVerdict).dump_json(verdict))
            answer.flush()
    os._exit(0)  # users' modules may have started threads


if __name__ == "__main__":
    main()
