"""Which stages and event types does a shell complete?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from farandole.cli.context import CliContext
from farandole.operations.errors import OperationError

if TYPE_CHECKING:
    from farandole.router.file_model import TopologyFile


def complete_stages(ctx: click.Context, _: click.Parameter, prefix: str) -> list[CompletionItem]:
    model = _read_file_model(ctx)
    return _matching_items(prefix, model.stages if model else ())


def complete_event_types(
    ctx: click.Context, _: click.Parameter, prefix: str
) -> list[CompletionItem]:
    model = _read_file_model(ctx)
    return _matching_items(prefix, model.event_types() if model else ())


def complete_root_types(
    ctx: click.Context, _: click.Parameter, prefix: str
) -> list[CompletionItem]:
    model = _read_file_model(ctx)
    types = model.event_types() if model else ()
    return _matching_items(prefix, [t for t in types if model and not model.emitters(t)])


def _read_file_model(ctx: click.Context) -> TopologyFile | None:
    """Return None where the file cannot be read: a completion prints nothing."""
    try:
        options = ctx.find_root().params
        folder = options.get("folder") or Path()
        return CliContext(folder, topology_override=options.get("file")).read_file_model()
    except OperationError:
        return None


def _matching_items(prefix: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(prefix)]
