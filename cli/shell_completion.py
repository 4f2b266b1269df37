"""Which names does a shell complete: stages, event types, schedules, pipelines, runs?

Stages, event types and schedules are those of the topology file or, where there is none, of the
newest version on Kafka. Runs, backfills and pipelines are asked of Kafka. A completion that cannot
be had in time is empty: it must neither print a message into the line that is being typed, nor keep
it waiting.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from farandole.cli.context import CliContext
from farandole.operations.errors import OperationError

if TYPE_CHECKING:
    from farandole.events.topology_version import Version
    from farandole.operations.installation import Installation
    from farandole.router.file_model import TopologyFile

_KAFKA_PATIENCE = 2.0  # seconds for all answers of Kafka
_HARD_LIMIT = 4.0  # seconds, after which the process ends, whatever it hangs in
_MAX_RUNS = 20

SWITCH_MODES = ("on", "hold", "bypass", "shadow", "canary")
"""The modes of a stage, as `events/switch_document.py` has them: importing that takes long."""

Question = Callable[["Installation"], Awaitable[Sequence[str]]]


def complete_stages(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
    model = _read_file_model(ctx)
    names = model.stages if model else _ask_kafka(ctx, _published_stages)
    return _matching_items(prefix, names)


def complete_replicas(
    ctx: click.Context, param: click.Parameter, prefix: str
) -> list[CompletionItem]:
    """Complete a stage, and the sign behind it; a number is typed."""
    items = complete_stages(ctx, param, prefix)
    return [CompletionItem(f"{item.value}=", help=item.help) for item in items]


def complete_switch(
    ctx: click.Context, param: click.Parameter, prefix: str
) -> list[CompletionItem]:
    """Complete a stage, and the mode behind it."""
    if ctx.params.get("words") or ctx.params.get("every"):
        return _matching_items(prefix, SWITCH_MODES)
    return complete_stages(ctx, param, prefix)


def complete_flags(ctx: click.Context, param: click.Parameter, prefix: str) -> list[CompletionItem]:
    """Complete the name of a flag, and nothing behind it."""
    if ctx.params.get("words"):
        return []
    model = _read_file_model(ctx)
    return _matching_items(prefix, model.flags if model else _ask_kafka(ctx, _published_flags))


def complete_schedules(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
    pipeline = ctx.params.get("pipeline")
    model = _read_file_model(ctx) if pipeline is None else None
    if model:
        return _matching_items(prefix, model.schedules)

    async def published(installation: Installation) -> Sequence[str]:
        return [*(await _version_of(installation, pipeline)).schedules]

    return _matching_items(prefix, _ask_kafka(ctx, published))


def complete_backfills(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
    """Complete the id of a backfill, of whatever schedule: click does not know yet which one."""
    pipeline = ctx.params.get("pipeline")

    async def ordered(installation: Installation) -> Sequence[str]:
        from farandole.operations.schedules.open_backfills import open_backfills

        return await open_backfills(installation, pipeline)

    return _matching_items(prefix, _ask_kafka(ctx, ordered))


def complete_event_types(
    ctx: click.Context, _: click.Parameter, prefix: str
) -> list[CompletionItem]:
    model = _read_file_model(ctx)
    names = model.event_types() if model else _ask_kafka(ctx, _published_event_types)
    return _matching_items(prefix, names)


def complete_root_types(
    ctx: click.Context, _: click.Parameter, prefix: str
) -> list[CompletionItem]:
    model = _read_file_model(ctx)
    if model is None:
        return _matching_items(prefix, _ask_kafka(ctx, _published_roots))
    return _matching_items(prefix, [t for t in model.event_types() if not model.emitters(t)])


def complete_runs(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
    return _matching_items(prefix, _ask_kafka(ctx, _newest_runs))


def complete_pipelines(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
    return _matching_items(prefix, _ask_kafka(ctx, _published_pipelines))


def complete_actions(_: click.Context, __: click.Parameter, prefix: str) -> list[CompletionItem]:
    from farandole.events.action_record import ACTION_NAMES

    return _matching_items(prefix, ACTION_NAMES)


async def _published_stages(installation: Installation) -> Sequence[str]:
    return [*(await installation.newest_version()).stages]


async def _version_of(installation: Installation, pipeline: str | None) -> Version:
    from farandole.operations.published_pipeline import newest_published

    return await newest_published(installation, pipeline)


async def _published_flags(installation: Installation) -> Sequence[str]:
    return [*(await installation.newest_version()).flags]


async def _published_event_types(installation: Installation) -> Sequence[str]:
    return [*(await installation.newest_version()).events]


async def _published_roots(installation: Installation) -> Sequence[str]:
    return [*(await installation.newest_version()).roots()]


async def _published_pipelines(installation: Installation) -> Sequence[str]:
    from farandole.router.topology_store import read_topology

    return [*(await read_topology(installation.settings)).pipelines()]


async def _newest_runs(installation: Installation) -> Sequence[str]:
    """Return the newest runs, the newest first."""
    from farandole.operations.runs.list_runs import RunsRequest, list_runs

    found = await list_runs(installation, RunsRequest(limit=_MAX_RUNS))
    return [run.run for run in found.runs]


def _ask_kafka(ctx: click.Context, question: Question) -> Sequence[str]:
    """Return what Kafka answers; nothing if it is away, refuses us or takes too long."""
    import asyncio

    from farandole.broker.env_file import load_env_file

    context = _context(ctx)

    async def answer() -> Sequence[str]:
        async with asyncio.timeout(_KAFKA_PATIENCE):
            return await question(await context.installation())

    with _silent(), _hard_limit():
        try:
            load_env_file(context.folder)
            context.configure_logs("error")  # unconfigured, they would go to standard output
            return asyncio.run(answer())
        except Exception:  # noqa: BLE001 -- whatever it is, the line that is being typed stays
            return ()


@contextmanager
def _silent() -> Iterator[None]:
    """Let nothing reach the terminal while the block runs: neither logs nor warnings."""
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        yield


@contextmanager
def _hard_limit() -> Iterator[None]:
    """End this process if the block takes too long: a name server may hang in a thread, for which
    asyncio waits."""
    before = signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, _HARD_LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _read_file_model(ctx: click.Context) -> TopologyFile | None:
    """Return None where the file cannot be read."""
    try:
        return _context(ctx).read_file_model()
    except OperationError:
        return None


def _context(ctx: click.Context) -> CliContext:
    """Return what the command would get, from the options before it."""
    options = ctx.find_root().params
    folder = options.get("folder") or Path()
    bootstrap, namespace = options.get("bootstrap"), options.get("namespace")
    return CliContext(folder, bootstrap, namespace, topology_override=options.get("file"))


def _matching_items(prefix: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(prefix)]
