"""One template per run of the tests, from which their processes are forked: most would import the
same modules for a second of processor time each."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import IO

from farandole.services.command_line_title import ROOM
from farandole.services.process_starter import (
    Command,
    ForkedProcess,
    ModuleCommand,
    RunningProcess,
    TemplateStarter,
    can_fork,
    module_command,
    start_program,
    starts_alike,
)
from farandole.services.process_template import MAX_MESSAGE_BYTES, ForkRequest

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("farandole.services.worker_main",)


class SessionTemplate:
    """A template, which starts when it is first needed, and the exit codes that it has told. Any
    thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count()
        self._codes: dict[int, int] = {}
        self._environment = dict(os.environ)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The number of the template, which has been needed."""
        assert self._process is not None
        return self._process.pid

    def _start(self) -> None:
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            own = "farandole.services.process_template"
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", own, str(theirs.fileno()), *MODULES, ROOM],
                pass_fds=(theirs.fileno(),), stdin=subprocess.DEVNULL, start_new_session=True,
                env=self._environment, cwd=ROOT,
            )  # fmt: skip

    def fork(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: str | Path = ".",
        kept_fd: int = 2,
        stdout: int = 1,
        stderr: int = 2,
    ) -> tuple[int, int] | None:
        """Return the pid of a process that runs a module of this Python, and a file descriptor of
        it; None if it has to be a new Python."""
        module = module_command(argv) if can_fork() else None
        given = os.environ if environment is None else environment
        if module is None or not starts_alike(given, self._environment):
            return None
        with self._lock:
            if self._process is None:
                self._start()
            return self._fork(argv, module, given, folder, kept_fd, stdout, stderr)

    def _fork(
        self, argv: Sequence[str], module: ModuleCommand, environment: Mapping[str, str],
        folder: str | Path, kept_fd: int, stdout: int, stderr: int,
    ) -> tuple[int, int]:  # fmt: skip
        number = next(self._numbers)
        place = os.path.abspath(folder)
        request = ForkRequest(number, [*argv], *module, dict(environment), place, kept_fd)
        socket.send_fds(self._connection, [request.encode()], [stdout, stderr, kept_fd])
        while True:
            message, fds, _, _ = socket.recv_fds(self._connection, MAX_MESSAGE_BYTES, 1)
            assert message, "the template of the tests has ended"
            said = json.loads(message)
            if "ended" in said:
                self._codes[said["ended"]] = said["code"]
            else:
                assert said["number"] == number, said
                return said["pid"], fds[0]

    def popen(
        self, argv: Sequence[str], output: IO[bytes], environment: Mapping[str, str] | None = None
    ) -> ChildProcess:
        """Return a process in the folder of the code, whose standard output and standard error are
        `output`. It is a new Python where it cannot be forked."""
        number = output.fileno()
        found = self.fork(
            argv, environment=environment, folder=ROOT, stdout=number, stderr=number, kept_fd=number
        )
        if found is not None:
            return ForkedPopen(self, *found)
        return subprocess.Popen(argv, cwd=ROOT, env=environment, stdout=output, stderr=output)

    def exit_code(self, pid: int) -> int:
        """Return how a process has ended; wait until the template has told it."""
        with self._lock:
            while pid not in self._codes:
                message = self._connection.recv(MAX_MESSAGE_BYTES)
                assert message, "the template of the tests has ended"
                said = json.loads(message)
                self._codes[said["ended"]] = said["code"]
            return self._codes.pop(pid)

    def make_starter(self) -> TemplateStarter:
        """Take the place of `process_starter.make_starter`."""
        return TemplateStarter(start_template=self._start_template, least=1)

    async def _start_template(self, command: Command) -> RunningProcess:
        found = self.fork(
            command.argv,
            environment=command.environment,
            folder=command.folder,
            kept_fd=command.kept_fd,
        )
        if found is None:
            return await start_program(command)
        process = ForkedProcess(*found, lambda: None)
        process.lose_parent()  # nobody asks for the exit code of a template
        return process

    def close(self) -> None:
        """End the template."""
        if self._process is not None:
            self._connection.close()
            self._process.kill()
            self._process.wait()


class ForkedPopen:
    """What tests use of `subprocess.Popen`, of a process that was forked."""

    def __init__(self, template: SessionTemplate, pid: int, fd: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._template = template
        self._fd = fd

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        ready, _, _ = select.select([self._fd], [], [], 0) if self.returncode is None else ((),) * 3
        return self.wait() if ready else self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended."""
        if self.returncode is None:
            ready, _, _ = select.select([self._fd], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired([], timeout or 0)
            self.returncode = self._template.exit_code(self.pid)
            os.close(self._fd)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._fd, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)


ChildProcess = subprocess.Popen[bytes] | ForkedPopen
