"""How does a worker process start the process of a candidate, call it, and end it?

The candidate is a function of somebody who is trying it out: it may hang, leak or exit. In a
process of its own it can do all that, and the lanes of the stage lose nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from farandole.broker.awake_clock import AwakeClock
from farandole.events.topology_version import Version
from farandole.worker.call_time import (
    NO_LIMITS,
    CallAbandonedError,
    LimitWaits,
    UnknownLimitError,
)
from farandole.worker.candidates.candidate_messages import (
    LENGTH,
    MAX_MESSAGE_BYTES,
    CallResult,
    CandidateEvent,
    decode_message,
    decode_result,
    encode_events,
    encode_message,
)
from farandole.worker.flag_snapshot import NO_FLAGS, FlagSnapshot, encode_snapshot
from farandole.worker.log_throttle import LogThrottle

log = structlog.get_logger()

_Message = tuple[dict[str, Any], list[bytes | None]]

START_SECONDS = 60.0
"""Seconds in which the process must have imported its candidate."""
CALL_GRACE = 2.0
"""Seconds beyond the stage's `timeout` after which a call counts as hung. An awaited function is
interrupted before that, by its own process."""
SLOW_SECONDS = 5.0
"""Seconds without an answer after which that is logged."""
_SAID_AGAIN_SECONDS = 60.0
_KILL_SECONDS = 5.0  # in which the kernel ends a process that was killed
_LOOK_SECONDS = 0.25  # between two looks at the clock


class CandidateLostError(Exception):
    """The candidate is of no use any more: it hung, its process has ended, or it cannot be
    imported. The message says which; it is the candidate's fault, not that of an event."""


@dataclass(frozen=True, slots=True)
class CandidateSpec:
    """Which candidate is called, and for which stage."""

    folder: Path
    """The pipeline's folder, where its modules are."""
    stage: str
    run: str
    """`package.module:function`."""
    newest: Version
    """The settings of the stage are those of this version."""
    takes_batch: bool
    """Whether the stage's own function takes a list of events."""
    memory: int | None = None
    """MiB of data that the process may hold; None: as much as this process."""
    log_level: str = "info"
    pretty: bool = False
    limits: LimitWaits = NO_LIMITS
    """What the candidate waits for by `context.limit`."""


class CandidateCall(NamedTuple):
    """One call of the candidate."""

    version: Version
    """The version that handles the events."""
    events: Sequence[CandidateEvent]
    """One, or several for a function of a list."""
    attempt: int = 1
    compare_with: CallResult | None = None
    """What the stage's own function came to, to be compared with; None to get the outputs."""
    flags: FlagSnapshot = NO_FLAGS
    """The flags as the events' batch read them."""
    repeats_stable: bool = False
    """Call the stage's own function there as well, to see whether it differs from itself."""


class CandidateAnswer(NamedTuple):
    """What the process says of one call."""

    result: CallResult
    """What the call came to. Its outputs are left out where they were compared."""
    comparison: dict[str, Any] | None = None
    """How it differs from `compare_with`; None where nothing was compared."""
    stable_comparison: dict[str, Any] | None = None
    """How the stage's own function differs from itself; None if it was not called again."""


class CandidateProcess:
    """The process of one candidate. The lanes of a process share it: their calls wait for each
    other."""

    def __init__(self, spec: CandidateSpec) -> None:
        self._spec = spec
        self._timeout = spec.newest.stages[spec.stage].timeout
        self._turn = asyncio.Lock()
        self._known_versions: set[int] = set()
        self._known_flags: FlagSnapshot = NO_FLAGS
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._why_lost = ""
        self._limit_waits: set[asyncio.Task[None]] = set()
        self._slow_throttle = LogThrottle(_SAID_AGAIN_SECONDS)
        self.takes_context = False
        """True if the candidate asks for the Context, so that its events need their headers."""

    @property
    def pid(self) -> int | None:
        """The id of the process; None before it has begun."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the process and wait until it has imported the candidate. Raises
        CandidateLostError. If it is cancelled, the process is ended."""
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "farandole.worker.candidates.candidate_main",
                str(theirs.fileno()),
                str(os.getpid()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=2,  # what is no line of its log goes where the worker's log goes
                start_new_session=True,  # so that what it starts itself ends with it
            )
        except OSError as error:
            ours.close()
            raise CandidateLostError(f"its process cannot be started: {error}") from None
        finally:
            theirs.close()
        try:
            self._reader, self._writer = await asyncio.open_connection(sock=ours)
            spec = self._spec
            header = {
                "do": "setup",
                "folder": str(spec.folder),
                "stage": spec.stage,
                "run": spec.run,
                "takes_batch": spec.takes_batch,
                "memory": spec.memory,
                "log_level": spec.log_level,
                "pretty": spec.pretty,
            }
            setup = encode_message(header, [spec.newest.model_dump_json().encode()])
            overdue = f"it was not imported within {START_SECONDS:g} s"
            ((answer, _),) = await self._converse([setup], 1, START_SECONDS, overdue)
            self._known_versions.add(spec.newest.version)
            self.takes_context = answer["takes_context"]
            log.info("candidate.started", stage=spec.stage, run=spec.run, pid=self.pid)
        except BaseException:
            await self.close()
            raise

    async def call(self, calls: Sequence[CandidateCall]) -> list[CandidateAnswer]:
        """Return the answers to some calls, which are made one after the other. Raises
        CandidateLostError, now and for each later call, and ValueError if a call is too large to be
        made."""
        # What is under way ends, also if the lane that asked for it ends: its answer would be taken
        # for that of the next call.
        asking = asyncio.create_task(self._call(calls))
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(asking)

    async def close(self) -> None:
        """End the process, and all that it has started, at once."""
        if not self._why_lost:
            self._why_lost = "its process was ended"
        for waiting in self._limit_waits:
            waiting.cancel()
        process = self._process
        if process is not None:
            # Its group as well: a candidate may have started processes of its own.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _KILL_SECONDS)
        if self._writer is not None:
            self._writer.close()

    # -- inside

    async def _call(self, calls: Sequence[CandidateCall]) -> list[CandidateAnswer]:
        async with self._turn:
            new = {call.version.version: call.version for call in calls}
            versions = [v for number, v in new.items() if number not in self._known_versions]
            messages = [_encode_version(version) for version in versions]
            flags = self._known_flags
            for call in calls:
                if call.flags is not flags:  # a batch has the snapshot of the last one
                    flags = call.flags
                    messages.append(encode_message({"do": "flags"}, [encode_snapshot(flags)]))
                messages.append(_encode_call(call))
            self._known_flags = flags
            self._known_versions |= new.keys()
            overdue = f"it gave no result within {self._timeout:g} s"
            seconds = self._timeout + CALL_GRACE
            answers = await self._converse(messages, len(calls), seconds, overdue)
            return [_answer_of(*each) for each in answers]

    async def _converse(
        self, messages: Sequence[bytes], wanted: int, seconds: float, overdue: str
    ) -> list[_Message]:
        """Send messages, and return the answers that are wanted to them. `seconds`: the most that
        one of them may take; `overdue` says that one has taken longer."""
        if self._why_lost:
            raise CandidateLostError(self._why_lost)
        answers: list[_Message] = []
        sending = asyncio.create_task(self._send(messages))
        reading = asyncio.create_task(self._read_answers(answers, wanted))
        try:
            await self._watch(reading, answers, seconds, overdue)
            return answers
        except CandidateLostError as error:
            self._why_lost = self._why_lost or str(error)
            await self.close()
            raise
        finally:
            sending.cancel()
            reading.cancel()

    async def _send(self, messages: Sequence[bytes]) -> None:
        assert self._writer is not None
        with contextlib.suppress(OSError):  # its end is noticed where its answer is awaited
            self._writer.writelines(messages)
            await self._writer.drain()

    async def _read_answers(self, answers: list[_Message], wanted: int) -> None:
        while len(answers) < wanted:
            header, payloads = await self._read_message()
            if "limit" not in header:
                answers.append((header, payloads))
                continue
            waiting = asyncio.create_task(self._wait_for_limit(header["limit"], header["wait"]))
            self._limit_waits.add(waiting)
            waiting.add_done_callback(self._limit_waits.discard)

    async def _wait_for_limit(self, name: str, number: int) -> None:
        """Wait for a limit in the place of the candidate, and let it go on."""
        problem = ""
        try:
            await self._spec.limits.wait(name)
        except (UnknownLimitError, TypeError) as error:  # the name may be anything
            problem = str(error)
        except CallAbandonedError:  # the stage ends, and the candidate with it
            return
        await self._send([encode_message({"do": "passed", "wait": number, "problem": problem})])

    async def _watch(
        self, reading: asyncio.Task[None], answers: Sized, seconds: float, overdue: str
    ) -> None:
        """Return when all answers are read. Raises CandidateLostError when the process ends, says
        that it is of no use, or says nothing for `seconds`."""
        assert self._process is not None
        ending = asyncio.create_task(self._process.wait())
        # The time in which this process was frozen, and could hear nothing, does not count.
        clock = AwakeClock(longest_round=4 * _LOOK_SECONDS)
        heard, ends, was_slow = 0, clock.now() + seconds, False
        try:
            while not (reading.done() or ending.done()):
                left = max(0.0, ends - clock.now())
                await asyncio.wait(
                    {reading, ending},
                    timeout=min(_LOOK_SECONDS, left),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if len(answers) > heard or self._limit_waits:
                    heard, ends, was_slow = len(answers), clock.now() + seconds, False
                elif clock.now() >= ends and not reading.done():
                    raise CandidateLostError(overdue)
                elif not was_slow and seconds - (ends - clock.now()) >= SLOW_SECONDS:
                    was_slow = True
                    self._log_slow(seconds, ends - clock.now())
            if not reading.done():  # what it said last may still be on its way
                await asyncio.wait({reading}, timeout=1.0)
            try:
                if reading.done():
                    reading.result()
                    return
            except (OSError, asyncio.IncompleteReadError):
                pass
            except CandidateLostError:
                raise
            except Exception as error:  # noqa: BLE001 -- its code can write anything
                name = type(error).__name__
                raise CandidateLostError(f"it wrote to its worker's socket ({name})") from None
            raise CandidateLostError(_describe_exit(await self._exit_code()))
        finally:
            ending.cancel()

    def _log_slow(self, seconds: float, left: float) -> None:
        unsaid = self._slow_throttle.suppressed_since("", time.monotonic())
        if unsaid is None:
            return
        log.warning(
            "candidate.slow",
            stage=self._spec.stage,
            run=self._spec.run,
            seconds=round(seconds - left, 1),
            unsaid=unsaid,
            remedy=f"under a canary the lanes of this process that call it wait; if it gives no "
            f"answer within another {left:.0f} s it is ended, its switch is over, and every event "
            "is for the stage's own function alone (a smaller `timeout` of the stage in "
            "topology.yaml ends the wait sooner)",
        )

    async def _exit_code(self) -> int | None:
        """Return the exit code of a process that has closed its connection; None if it goes on
        without it."""
        assert self._process is not None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                return await self._process.wait()
        return None

    async def _read_message(self) -> _Message:
        assert self._reader is not None
        (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
        if length > MAX_MESSAGE_BYTES:
            raise ValueError(f"a message of {length} bytes")
        header, payloads = decode_message(await self._reader.readexactly(length))
        if "lost" in header:
            raise CandidateLostError(header["lost"])
        return header, payloads


def _encode_version(version: Version) -> bytes:
    return encode_message({"do": "version"}, [version.model_dump_json().encode()])


def _encode_call(call: CandidateCall) -> bytes:
    events, payloads = encode_events(call.events)
    header = {
        "do": "call",
        "version": call.version.version,
        "attempt": call.attempt,
        "events": events,
        "repeats_stable": call.repeats_stable,
    }
    stable = call.compare_with
    if stable is not None:
        header["stable"] = {
            "outcome": stable.outcome,
            "error": stable.error,
            "types": [output.event_type for output in stable.outputs],
        }
        payloads += [output.value for output in stable.outputs]
    message = encode_message(header, payloads)
    if len(message) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a call of {len(message)} bytes is too large for a candidate")
    return message


def _answer_of(header: dict[str, Any], payloads: list[bytes | None]) -> CandidateAnswer:
    result = decode_result(header["result"], payloads)
    return CandidateAnswer(result, header.get("comparison"), header.get("stable_comparison"))


def _describe_exit(code: int | None) -> str:
    if code is None:
        return "it closed the connection to its worker"
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"its process was killed by {name}"
    return f"it ended its process, with the exit code {code}"
