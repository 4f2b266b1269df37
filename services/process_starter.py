"""How does a supervisor start a process: by a fork of a template, or as a new Python?

Where processes cannot be forked safely (macOS, an old kernel), and where a command is no Python
module or wants variables that Python reads only at its start, each is a new Python. To the
supervisor they are the same.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from signal import pidfd_send_signal
from typing import Any, NamedTuple, Protocol

import structlog

from farandole.services.command_line_title import ROOM
from farandole.services.process_template import MAX_MESSAGE_BYTES, ForkRequest, exit_code

log = structlog.get_logger()

EXIT_UNKNOWN = 255
"""The exit code of a process whose template was lost before it could tell."""
ANSWER_SECONDS = 60.0
"""Seconds in which a template must have forked a process; the first time it imports as well."""
_REPORT_SECONDS = 10.0
"""Seconds in which it must have told how a process has ended."""
_TEMPLATE = "farandole.services.process_template"
_MODULES = ("farandole.services.worker_main",)
"""What a template imports: only what a worker would import anyway, so that what its folder has is
hidden from no function of a user."""
_READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_")
"""What the names of variables begin with that Python and the C library read only at their start."""


class RunningProcess(Protocol):
    """A process that was started."""

    @property
    def pid(self) -> int:
        """Its number."""

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""

    def send_signal(self, signal: int) -> None:
        """Send it a signal. Raises ProcessLookupError if it has ended."""

    async def wait(self) -> int:
        """Return its exit code once it has ended."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a process runs. It has no standard input, and a session of its own."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    kept_fd: int
    """The file descriptor that it has beside the standard ones."""


ProgramStarter = Callable[[Command], Awaitable[RunningProcess]]


class ProcessStarter(Protocol):
    """Starts processes."""

    async def start(self, command: Command, of: int) -> RunningProcess:
        """Start one of so many processes. Raises OSError."""

    async def close(self) -> None:
        """End what was only there to start processes; they themselves go on."""


class ExecStarter:
    """Starts each process as a new program."""

    async def start(self, command: Command, of: int) -> RunningProcess:
        """Start one of so many processes. Raises OSError."""
        return await start_program(command)

    async def close(self) -> None:
        """Do nothing: there is nothing else to end."""


async def start_program(command: Command) -> asyncio.subprocess.Process:
    """Start a process as a new program. Raises OSError."""
    return await asyncio.create_subprocess_exec(
        *command.argv,
        cwd=command.folder,
        env=dict(command.environment),
        pass_fds=(command.kept_fd,),
        start_new_session=True,  # Ctrl-C reaches the supervisor alone, which drains it
        stdin=asyncio.subprocess.DEVNULL,
    )


def make_starter() -> ProcessStarter:
    """Return what starts processes on this system."""
    return TemplateStarter() if can_fork() else ExecStarter()


def can_fork() -> bool:
    """Return True if processes can be forked from a template here. Elsewhere than on Linux, the
    libraries of the system are not made for it."""
    if sys.platform != "linux":
        return False
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # a kernel older than 5.3, or a sandbox
        return False
    return True


class ModuleCommand(NamedTuple):
    """A command `python -m module arguments`."""

    module: str
    arguments: list[str]
    safe_path: bool


def module_command(argv: Sequence[str]) -> ModuleCommand | None:
    """Return which module of this Python a command runs; None if it runs something else."""
    match [*argv]:
        case [sys.executable, "-P", "-m", module, *arguments]:
            return ModuleCommand(module, arguments, safe_path=True)
        case [sys.executable, "-m", module, *arguments]:
            return ModuleCommand(module, arguments, safe_path=False)
    return None


def starts_alike(first: Mapping[str, str], second: Mapping[str, str]) -> bool:
    """Return True if a Python that was started with one of these environments is the same as one
    that was started with the other."""
    differing = {name for name, _ in first.items() ^ second.items()}
    return not any(name.startswith(_READ_AT_START) for name in differing)


class TemplateStarter:
    """Starts processes by a fork of a template, which it starts when it first needs one, and again
    when that is lost. The processes of a template that is lost go on."""

    def __init__(
        self,
        modules: Sequence[str] = _MODULES,
        start_template: ProgramStarter = start_program,
        least: int = 2,
    ) -> None:
        """`modules` are imported before processes are forked; `start_template` starts the program
        of a template. There is one for `least` processes: a single one would share with nobody."""
        self._least = least
        self._modules = modules
        self._start_template = start_template
        self._template: _Template | None = None
        self._turn = asyncio.Lock()

    async def start(self, command: Command, of: int) -> RunningProcess:
        """Start one of so many processes. Raises OSError."""
        module = module_command(command.argv) if of >= self._least else None
        if module is None or not starts_alike(command.environment, os.environ):
            return await start_program(command)
        if not os.path.isdir(command.folder):  # noqa: ASYNC240 -- as quick as the fork
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), command.folder)
        async with self._turn:  # a template that is frozen is noticed once, not by each
            if self._template is None or self._template.is_lost:
                self._template = await _Template.start(self._modules, self._start_template)
            try:
                return await self._template.fork(command, module)
            except OSError as error:
                if error.errno == errno.EMSGSIZE:  # an environment of hundreds of kB
                    return await start_program(command)
                raise

    async def close(self) -> None:
        """End the template."""
        if self._template is not None:
            await self._template.close()


class TemplateLostError(OSError):
    """The template has ended or was frozen, and has started no process."""


class _Template:
    """One template, the socket to it, and the processes that were forked from it."""

    def __init__(self, process: RunningProcess, connection: socket.socket) -> None:
        self.is_lost = False
        self._process = process
        self._connection = connection
        self._numbers = count()
        self._asked: dict[int, asyncio.Future[ForkedProcess]] = {}
        self._children: dict[int, ForkedProcess] = {}
        asyncio.get_running_loop().add_reader(connection, self._receive)

    @classmethod
    async def start(cls, modules: Sequence[str], start: ProgramStarter) -> _Template:
        """Start a template. Raises OSError."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        argv = [sys.executable, "-P", "-m", _TEMPLATE, str(theirs.fileno()), *modules, ROOM]
        try:
            process = await start(Command(argv, os.environ, ".", theirs.fileno()))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours)

    async def fork(self, command: Command, module: ModuleCommand) -> RunningProcess:
        """Start a process. Raises TemplateLostError, and OSError if the system refuses it."""
        number = next(self._numbers)
        request = ForkRequest(
            number, [*command.argv], *module, dict(command.environment), command.folder,
            command.kept_fd,
        )  # fmt: skip
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            socket.send_fds(self._connection, [request.encode()], [1, 2, command.kept_fd])
            async with asyncio.timeout(ANSWER_SECONDS):
                child: ForkedProcess = await answer
                return child
        except TimeoutError:
            self._give_up(ANSWER_SECONDS)
            raise self._lost_error() from None
        finally:
            del self._asked[number]

    async def close(self) -> None:
        """End the template; the processes that were forked from it go on."""
        self._lose()
        self._kill()
        await self._process.wait()

    def _receive(self) -> None:
        """Do what the messages say that the template has written."""
        while not self.is_lost:
            try:
                message, fds, _, _ = socket.recv_fds(
                    self._connection, MAX_MESSAGE_BYTES, 1, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if message:
                self._obey(json.loads(message), fds)
            else:
                self._report_loss()
                self._lose()

    def _obey(self, said: dict[str, Any], fds: Sequence[int]) -> None:
        if "ended" in said:
            self._children.pop(said["ended"]).end(said["code"])
            return
        asked = self._asked.get(said["number"])
        if "problem" in said:
            if asked is not None:
                asked.set_exception(OSError(said["problem"]))
            return
        child = ForkedProcess(said["pid"], fds[0], lambda: self._give_up(_REPORT_SECONDS))
        self._children[child.pid] = child
        if asked is None or asked.done():  # whoever asked for it has been cancelled
            child.send_signal(signal.SIGKILL)
        else:
            asked.set_result(child)

    def _give_up(self, seconds: float) -> None:
        """End a template that has said nothing for so long."""
        log.error(
            "template.silent",
            pid=self._process.pid,
            seconds=seconds,
            remedy="it was frozen, or the machine is overloaded; it is killed, another one takes "
            "its place at the next start, and the processes that were forked from it go on",
        )
        self._kill()
        self._lose()

    def _report_loss(self) -> None:
        log.error(
            "template.lost",
            pid=self._process.pid,
            processes=sorted(self._children),
            remedy="another one takes its place at the next start; these processes go on, but how "
            f"they end is not known any more: it counts as a crash with exit code {EXIT_UNKNOWN}",
        )

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)

    def _lose(self) -> None:
        """Let nobody wait for this template any more."""
        if self.is_lost:
            return
        self.is_lost = True
        asyncio.get_running_loop().remove_reader(self._connection)
        self._connection.close()
        for asked in self._asked.values():
            if not asked.done():
                asked.set_exception(self._lost_error())
        for child in self._children.values():
            child.lose_parent()

    def _lost_error(self) -> TemplateLostError:
        return TemplateLostError(
            f"process {self._process.pid}, from which it was to be forked, has ended or was frozen"
        )


class ForkedProcess:
    """A process that was forked from a template. Its file descriptor names it also when its number
    belongs to another process, and shows its end also when the template cannot tell it."""

    def __init__(self, pid: int, fd: int, give_up_parent: Callable[[], None]) -> None:
        """`give_up_parent` is called if the template does not tell how the process has ended."""
        self.pid = pid
        self.returncode: int | None = None
        self._fd = fd
        self._give_up_parent = give_up_parent
        self._has_parent = True
        self._overdue: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(fd, self._notice_end)

    def send_signal(self, signal: int) -> None:
        """Send it a signal. Raises ProcessLookupError if it has ended."""
        if self.returncode is not None:
            raise ProcessLookupError
        pidfd_send_signal(self._fd, signal)

    async def wait(self) -> int:
        """Return its exit code once it has ended."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def end(self, code: int) -> None:
        """Record that it has ended."""
        self.returncode = code
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)
        if self._overdue is not None:
            self._overdue.cancel()
        self._ended.set()

    def lose_parent(self) -> None:
        """Expect no report of its end any more."""
        self._has_parent = False
        if self._overdue is not None:
            self.end(self._own_exit_code())

    def _notice_end(self) -> None:
        if not self._has_parent:
            self.end(self._own_exit_code())
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._fd)
        self._overdue = loop.call_later(_REPORT_SECONDS, self._give_up_parent)

    def _own_exit_code(self) -> int:
        """Return the exit code if this process has become the parent, as the first process of a
        container does; else EXIT_UNKNOWN."""
        try:
            return exit_code(os.waitid(os.P_PIDFD, self._fd, os.WEXITED | os.WNOHANG))
        except ChildProcessError:
            return EXIT_UNKNOWN
