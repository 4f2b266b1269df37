"""Does a worker that Kafka does not let in say so in one line, and end?"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from farandole.broker.settings import ENV_PREFIX, Settings
from farandole.services.restart_policy import EXIT_TEMPORARY

FOLDER = Path(__file__).parent / "pipeline"


async def ended(environment: Mapping[str, str], *arguments: str) -> tuple[int, list[str]]:
    """The exit code of a worker, and all that it said."""
    clean = {n: v for n, v in os.environ.items() if not n.startswith(ENV_PREFIX)}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "farandole.services.worker_main", "--folder", str(FOLDER), *arguments,
        env={**clean, f"{ENV_PREFIX}DEADLINE": "3", **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            said, _ = await worker.communicate()
    finally:
        if worker.returncode is None:
            worker.kill()
            await worker.wait()
    return worker.returncode or 0, said.decode().splitlines()


def why(lines: list[str]) -> str:
    """The reason in the one line that it said."""
    (line,) = lines
    said = orjson.loads(line)
    assert (said["event"], said["level"]) == ("worker.ended", "error")
    return str(said["why"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_no_broker() -> None:
    port = free_port()
    code, lines = await ended(
        {}, "--pipeline", "hostile", "--bootstrap", f"localhost:{port}", "act"
    )
    assert code == EXIT_TEMPORARY
    assert why(lines).startswith(f"no broker answers at localhost:{port} (")


@asynccontextmanager
async def refusing() -> AsyncIterator[int]:
    """The port of a server that speaks so much of Kafka as to refuse a password."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                request = await reader.readexactly(size)
                api, correlation = int.from_bytes(request[:2], "big"), request[4:8]
                answer = correlation + ANSWERS[api]
                writer.write(len(answer).to_bytes(4, "big") + answer)
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


SPOKEN = [(18, 0, 0), (17, 1, 1), (36, 0, 0), (3, 0, 1)]
ANSWERS = {
    18: struct.pack(f">hi{3 * len(SPOKEN)}h", 0, len(SPOKEN), *(n for api in SPOKEN for n in api)),
    17: struct.pack(">hih5s", 0, 1, 5, b"PLAIN"),  # SaslHandshake v1: go on
    36: struct.pack(">hh2si", 58, 2, b"no", 0),  # SaslAuthenticate v0: SASL_AUTHENTICATION_FAILED
}


async def test_a_wrong_password() -> None:
    async with refusing() as port:
        code, lines = await ended(
            {
                f"{ENV_PREFIX}SASL_MECHANISM": "PLAIN",
                f"{ENV_PREFIX}SASL_USERNAME": "me",
                f"{ENV_PREFIX}SASL_PASSWORD": "wr0ng",
            },
            "--pipeline", "hostile", "--bootstrap", f"localhost:{port}", "act",
        )  # fmt: skip
    assert code == EXIT_TEMPORARY
    assert "refuses the user 'me': wrong user name or password" in why(lines)
    assert "wr0ng" not in "".join(lines)


@pytest.mark.kafka
async def test_a_pipeline_that_was_never_applied(settings: Settings) -> None:
    code, lines = await ended(
        {f"{ENV_PREFIX}NAMESPACE": settings.namespace},
        "--pipeline", "hostile", "--bootstrap", settings.bootstrap or "", "act",
    )  # fmt: skip
    assert code == 1
    assert "run: farandole apply" in why(lines)


async def test_a_setting_that_is_none() -> None:
    code, lines = await ended(
        {f"{ENV_PREFIX}SESSION_TIMEOUT": "soon"},
        "--pipeline", "hostile", "--bootstrap", "localhost:1", "act",
    )  # fmt: skip
    assert code == 1  # it will not mend itself
    assert why(lines).startswith(f"{ENV_PREFIX}SESSION_TIMEOUT")
