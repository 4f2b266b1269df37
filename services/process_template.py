"""How is a process started without the time and memory that its imports take?

A *template* is a process that has imported the modules of a worker and does nothing else: it has no
thread, no event loop and no connection to Kafka. A supervisor asks it over a socket for a process,
and it forks: the child shares the memory of the imports, and imports the user's code itself. The
template is the parent of these processes, so it tells the supervisor how they end. It ends when the
supervisor closes the socket or dies.

(Not the fork server of multiprocessing: that one cannot set a child's environment, folder and
output, and whoever asks it waits for ever while it is frozen.)
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from farandole.services.command_line_title import show_command_line

MAX_MESSAGE_BYTES = 2**20
_BLOCKED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PASSED_FDS = 3


@dataclass(frozen=True, slots=True)
class ForkRequest:
    """What a template is asked for: `python -m module arguments`. Three file descriptors come with
    it: standard output, standard error, and the one that the process gets as `kept_fd`."""

    number: int
    """Is repeated in the answer."""
    argv: list[str]
    """What `ps` shows."""
    module: str
    arguments: list[str]
    safe_path: bool
    """False: modules are found in `folder` too, as without Python's `-P`."""
    environment: dict[str, str]
    folder: str
    kept_fd: int

    def encode(self) -> bytes:
        """Return the request as one message. (Not by orjson: variables need not be UTF-8.)"""
        return json.dumps(asdict(self)).encode()


def main() -> None:
    """Serve the socket whose file descriptor is the first argument, with the modules imported that
    the others name. The last argument is room for the command lines of the children."""
    number, *modules, _ = sys.argv[1:]
    show_command_line([sys.executable, "-P", "-m", "farandole.services.process_template", *modules])
    connection = socket.socket(fileno=int(number))
    connection.set_inheritable(False)
    gc.disable()  # memory that it freed now would be written to, and so copied, by the children
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    # A process group may get one of them as a whole: the template ends when its supervisor has.
    signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    child = _serve(connection)
    if child is None:
        os._exit(0)
    request, fds = child
    connection.detach()  # it is closed with all others
    _become(request, *fds)
    _run_as_main(request)


def _serve(connection: socket.socket) -> tuple[ForkRequest, list[int]] | None:
    """Fork a process for each request. Return None when the supervisor has gone, and in a child its
    request and the file descriptors that came with it."""
    children: dict[int, int] = {}  # pids by the file descriptors of processes
    ready = select.poll()
    ready.register(connection, select.POLLIN)
    with suppress(OSError):  # the supervisor has died
        while True:
            for fd, _ in ready.poll():
                if fd in children:
                    ready.unregister(fd)
                    _report_end(connection, fd, children.pop(fd))
                    continue
                message, fds, _, _ = socket.recv_fds(
                    connection, MAX_MESSAGE_BYTES, _PASSED_FDS, socket.MSG_CMSG_CLOEXEC
                )
                if not message:
                    return None
                request = ForkRequest(**json.loads(message))
                try:
                    pid = os.fork()
                except OSError as error:
                    _send(connection, {"number": request.number, "problem": str(error)})
                    continue
                if pid == 0:
                    return request, fds
                for each in fds:
                    os.close(each)
                process_fd = os.pidfd_open(pid)
                children[process_fd] = pid
                ready.register(process_fd, select.POLLIN)
                _send(connection, {"number": request.number, "pid": pid}, [process_fd])
    return None


def _report_end(connection: socket.socket, process_fd: int, pid: int) -> None:
    """Tell the supervisor how a child has ended."""
    ended = os.waitid(os.P_PIDFD, process_fd, os.WEXITED)
    os.close(process_fd)
    _send(connection, {"ended": pid, "code": exit_code(ended)})


def exit_code(ended: os.waitid_result | None) -> int:
    """Return the exit code of a process that was waited for, negative for a signal."""
    assert ended is not None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _send(connection: socket.socket, message: dict[str, object], fds: Sequence[int] = ()) -> None:
    socket.send_fds(connection, [json.dumps(message).encode()], fds)


def _become(request: ForkRequest, output: int, errors: int, kept: int) -> None:
    """Make this process, a copy of the template, the one that was asked for."""
    os.setsid()
    for fd, wanted in ((output, 1), (errors, 2), (kept, request.kept_fd)):
        if fd != wanted:
            os.dup2(fd, wanted, inheritable=wanted <= 2)
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd != request.kept_fd:
            with suppress(OSError):  # the one that has listed them
                os.close(fd)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    show_command_line(request.argv)
    sys.stdout.reconfigure(line_buffering=os.isatty(1))  # type: ignore[union-attr]
    importlib.invalidate_caches()
    gc.enable()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)


def _run_as_main(request: ForkRequest) -> None:
    """Run the module of a request as `python -m` does."""
    sys.argv = ["-m", *request.arguments]
    if not request.safe_path:
        sys.path.insert(0, request.folder)
    sys.modules.pop(request.module, None)  # it runs anew, as `__main__`
    runpy.run_module(request.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
