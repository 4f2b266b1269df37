"""Which methods of their Context do the functions of a file call, and with which arguments?"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from farandole.router.lint_context import LintContext
from farandole.router.lint_finding import Finding
from farandole.stages.function_loader import own_module

_CONTEXT = re.compile(r"\bContext\b")


@dataclass(frozen=True, slots=True)
class ContextCall:
    """A call such as `context.flag("vip", False)`, of a parameter whose annotation is Context."""

    function: ast.FunctionDef | ast.AsyncFunctionDef
    call: ast.Call
    is_discarded: bool
    """True if nothing is done with its result."""

    @property
    def name(self) -> str | None:
        """The first argument, if it is a text that is written out."""
        match self.call.args:
            case [ast.Constant(value=str() as name), *_]:
                return name
        return None


def context_calls(module: ast.Module, method: str) -> Iterator[ContextCall]:
    """Yield the calls of a method of the Context, or of one of its events, in a module."""
    for function in ast.walk(module):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        contexts = {
            argument.arg
            for argument in (*function.args.args, *function.args.kwonlyargs)
            if argument.annotation and _CONTEXT.search(ast.unparse(argument.annotation))
        }
        if not contexts:
            continue
        discarded = {id(n.value) for n in ast.walk(function) if isinstance(n, ast.Expr)}
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and _root_name(call.func, method) in contexts:
                yield ContextCall(function, call, id(call) in discarded)


def _root_name(node: ast.expr, method: str) -> str | None:
    """Return `context` for `context.flag` and `context.events[0].flag`; None for anything else."""
    if not isinstance(node, ast.Attribute) or node.attr != method:
        return None
    inner: ast.expr = node.value
    while isinstance(inner, ast.Attribute | ast.Subscript):
        inner = inner.value
    return inner.id if isinstance(inner, ast.Name) else None


def module_of_stage(context: LintContext, stage: str) -> str:
    """Return the module of a stage's function; empty if it has none of the user's."""
    module = (context.topology.function(stage) or "").partition(":")[0]
    return "" if own_module(module) is not None else module


def parsed_module(module: str) -> ast.Module | None:
    """Return the source of a module that is loaded; None if there is none to read."""
    file = getattr(sys.modules.get(module), "__file__", None)
    try:
        return ast.parse(Path(file).read_bytes()) if file and file.endswith(".py") else None
    except (OSError, SyntaxError, ValueError):  # it was saved again, half done
        return None


def find_unmentioned(
    context: LintContext, section: str, names: Iterable[str], message: str, remedy: str
) -> Iterator[Finding]:
    """Find the names of a section of the file that no function mentions. `message` ends before the
    name."""
    for name in _unmentioned_names(context, names):
        yield context.finding(
            (section, name), f"{message} {name!r}", remedy, on_key=True, severity="warning"
        )


def _unmentioned_names(context: LintContext, names: Iterable[str]) -> list[str]:
    """Return the names that stand in no module of the stages' packages that is loaded; none where
    not all functions can be read."""
    unread = dict.fromkeys(names)
    modules = {module_of_stage(context, stage) for stage in context.signatures} - {""}
    if not modules or len(context.signatures) < len(context.topology.stages):
        return []
    packages = {module.partition(".")[0] for module in modules}
    for module in [name for name in sys.modules if name.partition(".")[0] in packages]:
        parsed = parsed_module(module) if unread else None
        for node in ast.walk(parsed) if parsed is not None else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                unread.pop(node.value, None)
    return list(unread)
