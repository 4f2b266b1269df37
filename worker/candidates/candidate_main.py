"""What is the entry point of the process of a candidate?"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import math
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from farandole.events.topology_version import Version
from farandole.stages.cel_expression import compile_attribute_condition
from farandole.stages.function_loader import add_to_import_path, load_stage_function
from farandole.stages.memory_limit import limit_memory, memory_limit
from farandole.worker.candidates.candidate_fit import UnfitCandidateError, load_candidate
from farandole.worker.candidates.candidate_messages import (
    LENGTH,
    CallResult,
    CandidateOutput,
    Payloads,
    decode_events,
    decode_message,
    encode_message,
    encode_result,
)
from farandole.worker.candidates.function_caller import FunctionCaller
from farandole.worker.candidates.output_comparison import OutputComparison
from farandole.worker.candidates.worker_limits import WorkerLimits
from farandole.worker.flag_snapshot import NO_FLAGS, FlagSnapshot, decode_snapshot
from farandole.worker.function_output import capture_function_output
from farandole.worker.log_setup import configure_logging

Inbox = asyncio.Queue[tuple[dict[str, Any], Payloads]]

_PR_SET_PDEATHSIG = 1
_FIRST_TO_BE_KILLED = "1000"
_HOLD_BACK_SECONDS = 0.02
"""How long an answer may wait for those of the next calls: to read each costs the worker time."""


def main() -> None:
    """Call the candidate for the worker at the other end of the socket, until the worker closes it
    or ends. Arguments: the file descriptor of the socket, and the process id of the worker."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    _end_with(int(sys.argv[2]))
    inbox: Inbox = asyncio.Queue()
    setup, (version,) = decode_message(_read_message(connection))
    _prepare(setup)
    process = _CandidateProcess(connection, setup, Version.model_validate_json(version or b""))
    with contextlib.suppress(MemoryError):
        try:
            process.load()
        except UnfitCandidateError as error:
            process.end(str(error))
        asyncio.run(_serve(process, connection, inbox))
    process.end_exhausted()


def _prepare(setup: Mapping[str, Any]) -> None:
    configure_logging(level=setup["log_level"], pretty=setup["pretty"])
    structlog.contextvars.bind_contextvars(stage=setup["stage"], candidate=setup["run"])
    capture_function_output(setup["log_level"])
    if setup["memory"] is not None:
        limit_memory(setup["memory"])
    add_to_import_path(Path(setup["folder"]))


def _end_with(worker: int) -> None:
    """Let the kernel end this process with its worker, also where the candidate holds Python's
    lock; and if the machine runs out of memory, let it kill this process and no worker."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_BE_KILLED)
    if os.getppid() != worker:  # it has ended before
        os._exit(0)


async def _serve(process: _CandidateProcess, connection: socket.socket, inbox: Inbox) -> None:
    loop = asyncio.get_running_loop()

    def receive(header: dict[str, Any], payloads: Payloads) -> None:
        if header["do"] == "passed":  # a call that is under way waits for it
            process.limits.passed(header["wait"], header["problem"])
        else:
            inbox.put_nowait((header, payloads))

    def read() -> None:
        while True:
            message = decode_message(_read_message(connection))
            loop.call_soon_threadsafe(receive, *message)

    threading.Thread(target=read, daemon=True).start()
    process.say_ready()
    while True:
        await process.answer(*await inbox.get())
        if inbox.empty() or time.monotonic() >= process.send_by:
            process.send_answers()


class _CandidateProcess:
    def __init__(
        self, connection: socket.socket, setup: Mapping[str, Any], newest: Version
    ) -> None:
        self._connection = connection
        self._setup = setup
        self._newest = newest
        self._versions = {newest.version: newest}
        self._flags: FlagSnapshot = NO_FLAGS
        self.limits = WorkerLimits(self._ask_for_limit)
        self._answers: list[bytes] = []
        self.send_by = math.inf
        """The `time.monotonic()` at which answers that are kept back are to be sent."""
        self._stable: FunctionCaller | None = None

    def load(self) -> None:
        """Import the candidate. Raises UnfitCandidateError."""
        stage, setup = self._setup["stage"], self._setup
        code = load_candidate(setup["run"], stage, self._newest, takes_batch=setup["takes_batch"])
        settings = self._newest.stages[stage]
        self._caller = FunctionCaller(self._newest.pipeline, stage, settings, code, self.limits)
        self._comparison = OutputComparison(code.signature)

    def say_ready(self) -> None:
        """Tell the worker that the candidate can be called."""
        takes = self._caller.signature.context_parameter is not None
        self._send_all(encode_message({"takes_context": takes}))

    async def answer(self, header: dict[str, Any], payloads: Payloads) -> None:
        """Do what a message says."""
        if header["do"] == "version":
            version = Version.model_validate_json(payloads[0] or b"")
            self._versions[version.version] = version
            return
        if header["do"] == "flags":
            self._flags = decode_snapshot(payloads[0] or b"{}", compile_attribute_condition)
            return
        version = self._versions[header["version"]]
        events = decode_events(header["events"], payloads)
        result = await self._caller.call(version, events, header["attempt"], self._flags)
        answer: dict[str, Any] = {}
        described = header.get("stable")
        if described is not None:
            values = payloads[len(payloads) - len(described["types"]) :]
            outputs = [
                CandidateOutput(name, None, value)
                for name, value in zip(described["types"], values, strict=True)
            ]
            stable = CallResult(described["outcome"], outputs, error=described["error"])
            answer["comparison"] = self._comparison.compare(version, events, stable, result)
            if header["repeats_stable"]:
                again = await self._stable_caller().call(
                    version, events, header["attempt"], self._flags
                )
                differs = self._comparison.compare(version, events, stable, again)
                answer["stable_comparison"] = {**differs, "seconds": again.seconds}
            result = result._replace(outputs=())
        part, contents = encode_result(result)
        self._answers.append(encode_message({"result": part, **answer}, contents))
        self.send_by = min(self.send_by, time.monotonic() + _HOLD_BACK_SECONDS)

    def _ask_for_limit(self, number: int, name: str) -> None:
        self.send_answers()
        self._send_all(encode_message({"limit": name, "wait": number}))

    def send_answers(self) -> None:
        """Send the answers to the calls that were made."""
        answers, self._answers, self.send_by = self._answers, [], math.inf
        self._send_all(b"".join(answers))

    def _stable_caller(self) -> FunctionCaller:
        if self._stable is None:
            stage = self._setup["stage"]
            settings = self._newest.stages[stage]
            code = load_stage_function(settings.run)
            self._stable = FunctionCaller(self._newest.pipeline, stage, settings, code, self.limits)
        return self._stable

    def end(self, why: str) -> None:
        """Tell the worker why the candidate is lost, and end this process."""
        self._send_all(encode_message({"lost": why}))
        os._exit(1)

    def end_exhausted(self) -> None:
        """End this process because its memory is used up."""
        limit = memory_limit()
        most = "there is" if limit is None else f"the {limit // 2**20} MiB that it may hold"
        self.end(f"it needs more memory than {most}")

    def _send_all(self, messages: bytes) -> None:
        try:
            self._connection.sendall(messages)
        except OSError:  # the worker has ended
            os._exit(0)


def _read_message(connection: socket.socket) -> bytes:
    (length,) = LENGTH.unpack(_read_exactly(connection, LENGTH.size))
    return _read_exactly(connection, length)


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    """Return the next bytes; end this process if the worker has closed the connection, whatever the
    candidate is doing."""
    read = bytearray()
    while len(read) < size:
        try:
            part = connection.recv(min(size - len(read), 2**20))
        except OSError:
            part = b""
        if not part:
            os._exit(0)
        read += part
    return bytes(read)


if __name__ == "__main__":
    main()
