"""How does the demo show the output of a command?"""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE

from rich.console import Console

from farandole.broker.settings import Settings
from farandole.services.invocation import Invocation
from farandole.services.worker_services import settings_environment


def print_line(console: Console, line: str) -> None:
    """Print a line as it is, without markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def print_command(console: Console, command: str) -> None:
    """Print a command as a person types it."""
    print_line(console, f"$ {command}")


async def run_command(
    console: Console, invocation: Invocation, settings: Settings, *words: str
) -> None:
    """Print a command, run it as a child process on the Kafka of `settings`, and print the output,
    including errors. The exit code is ignored: the demo does not depend on it."""
    print_command(console, invocation.command_line(*words))
    child = await asyncio.create_subprocess_exec(
        *invocation.argv(*words),
        env={**os.environ, **settings_environment(settings)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        out, err = await child.communicate()
    except asyncio.CancelledError:
        child.kill()
        await child.wait()
        raise
    for line in (out + err).decode(errors="replace").splitlines():
        print_line(console, line)
