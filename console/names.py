"""Which stages and event types can be meant, while somebody types?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from farandole.console.failing import Failed
from farandole.console.wiring import Here
from farandole.router.form import Form


def stages(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    form = _form(ctx)
    return _beginning(begun, form.stages if form else ())


def event_types(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    form = _form(ctx)
    return _beginning(begun, form.event_types() if form else ())


def roots(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
    form = _form(ctx)
    types = form.event_types() if form else ()
    return _beginning(begun, [t for t in types if form and not form.emitters(t)])


def _form(ctx: click.Context) -> Form | None:
    """None where the file cannot be read: a completion says nothing."""
    try:
        said = ctx.find_root().params
        return Here(said.get("folder") or Path(), chosen=said.get("file")).form()
    except Failed:
        return None


def _beginning(begun: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(begun)]
