"""Is a file fit to be applied, as seen by a new process that has imported none of its functions?

A process does not read a module again that it has imported, and functions change while a router
runs. So a child process checks one file and ends. The next child is started ahead of time, because
its imports take longer than the check.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from farandole.events.kafka_names import KafkaNames
from farandole.router.lint_finding import Finding
from farandole.router.topology_derivation import DerivedTopology, derive_topology
from farandole.router.topology_file_check import check_topology_file
from farandole.stages.function_loader import (
    UnusableFunctionError,
    add_to_import_path,
    load_stage_function,
)

CHECK_TIMEOUT_SECONDS = 60.0  # seconds for a check, which imports users' modules


@dataclass(frozen=True, slots=True)
class CheckVerdict:
    """What is wrong with a file, and which topology it describes; `derived` is None if it must not
    be applied."""

    findings: tuple[Finding, ...]
    derived: DerivedTopology | None = None


class IsolatedChecker:
    """Checks files whose functions are in `folder`, each in a process of its own."""

    def __init__(
        self, folder: Path, namespace: str, *, timeout: float | None = None, silent: bool = False
    ) -> None:
        """`timeout` is in seconds; None for CHECK_TIMEOUT_SECONDS. `silent`: what users' modules
        print goes nowhere."""
        self._folder = folder.resolve()
        self.namespace = namespace
        self._timeout = timeout
        self._silent = silent
        self._next: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    async def prepare(self) -> None:
        """Start the process that will check the next file, unless it runs already."""
        async with self._starting:
            await self._prepare()

    async def _prepare(self) -> asyncio.subprocess.Process:
        if self._next is None or self._next.returncode is not None:
            self._next = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the current folder must not hide our own packages
                "-m",
                "farandole.router.isolated_check",
                str(self._folder),
                self.namespace,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL if self._silent else None,
                limit=2**26,
                start_new_session=True,  # Ctrl-C is for this process only
            )
        return self._next

    async def check(self, file: Path) -> CheckVerdict:
        """Read a file, import its functions, check and derive it. Raises nothing."""
        verdict = await self._ask({"file": str(file)})
        return verdict if isinstance(verdict, CheckVerdict) else _refused_verdict(file, *verdict)

    async def unusable_functions(self, functions: Sequence[str]) -> dict[str, str]:
        """Import functions, each `package.module:function`. Return why a stage cannot run one, by
        function; those that one can run are left out. Raises nothing."""
        answer = await self._ask({"functions": list(functions)})
        if isinstance(answer, CheckVerdict):
            return {finding.file: finding.message for finding in answer.findings}
        return dict.fromkeys(functions, "; ".join(answer))

    async def _ask(self, question: Mapping[str, object]) -> CheckVerdict | tuple[str, str]:
        """Return the answer of a process, or what is wrong with its modules and what helps."""
        async with self._starting:
            child = await self._prepare()
            self._next = None
        timeout = CHECK_TIMEOUT_SECONDS if self._timeout is None else self._timeout
        try:
            async with asyncio.timeout(timeout):
                answer, _ = await child.communicate(json.dumps(question).encode() + b"\n")
        except TimeoutError:
            return (
                f"its functions cannot be imported within {timeout:g} s",
                "do nothing at the top level of their modules that waits",
            )
        finally:
            await _end(child)
        if child.returncode or not answer:
            return (
                f"the process that imported its functions ended with {child.returncode}",
                "see what their modules do at their top level",
            )
        try:
            return TypeAdapter(CheckVerdict).validate_json(answer)
        except ValueError:  # a module has found the pipe and has written to it
            return (
                "the process that imported its functions has answered something else",
                "see what their modules do at their top level",
            )

    async def close(self) -> None:
        """End the process that waits for a file."""
        if self._next is not None:
            await _end(self._next)


async def _end(child: asyncio.subprocess.Process) -> None:
    """End a process and all that users' modules have started in it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()


def _refused_verdict(file: Path, message: str, remedy: str) -> CheckVerdict:
    return CheckVerdict((Finding(str(file), 1, 1, message, remedy, code="functions"),))


def check_in_this_process(file: Path, names: KafkaNames, folder: Path) -> CheckVerdict:
    """Check a file in this process."""
    checked = check_topology_file(file, names, folder)
    findings = tuple(checked.findings)
    if not checked.is_fit or checked.topology is None:
        return CheckVerdict(findings)
    return CheckVerdict(findings, derive_topology(checked.topology, checked.signatures, names))


def check_functions(functions: Sequence[str], folder: Path) -> CheckVerdict:
    """Import functions in this process. A finding's `file` is the function that it is about."""
    add_to_import_path(folder)
    findings = []
    for function in functions:
        try:
            load_stage_function(function)
        except UnusableFunctionError as error:
            findings.append(Finding(function, 1, 1, str(error), "", code="functions"))
    return CheckVerdict(tuple(findings))


def main() -> None:
    """Answer the one question that standard input asks, and write the verdict to standard
    output."""
    folder, names = Path(sys.argv[1]), KafkaNames(sys.argv[2])
    with os.fdopen(os.dup(1), "wb") as answer:
        os.dup2(2, 1)  # what users' modules print must not mix with the verdict
        line = sys.stdin.readline()
        if line:
            question = json.loads(line)
            verdict = (
                check_in_this_process(Path(question["file"]), names, folder)
                if "file" in question
                else check_functions(question["functions"], folder)
            )
            answer.write(TypeAdapter(CheckVerdict).dump_json(verdict))
            answer.flush()
    os._exit(0)  # users' modules may have started threads


if __name__ == "__main__":
    main()
