"""Are the flags of a file well declared, and are they those that the functions read?"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from farandole.events.feature_flags import FlagValueError, flag_name_problem, read_flag_value
from farandole.router.context_calls import (
    context_calls,
    find_unmentioned,
    module_of_stage,
    parsed_module,
)
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.stages.nearest_name import did_you_mean

_UNKNOWN = object()


@dataclass(frozen=True, slots=True)
class FlagRead:
    """A call such as `context.flag("vip", False)`, of a parameter whose annotation is Context."""

    name: str
    line: int
    default: Any
    """The default in the call; `_UNKNOWN` if it is no literal."""


def flag_reads(module: ast.Module) -> Iterator[FlagRead]:
    """Yield the reads of flags whose name is written out."""
    for found in context_calls(module, "flag"):
        if found.name is not None:
            yield FlagRead(found.name, found.call.lineno, _literal(found.call))


def _literal(call: ast.Call) -> Any:
    given = [*call.args[1:], *(k.value for k in call.keywords if k.arg == "default")]
    try:
        return ast.literal_eval(given[0]) if given else _UNKNOWN
    except ValueError:
        return _UNKNOWN


def _lint_flag_declarations(context: LintContext) -> Iterator[Finding]:
    for name, flag in context.topology.flags.items():
        problem = flag_name_problem(name)
        if problem is not None:
            yield context.finding(("flags", name), *problem, on_key=True)
        try:
            read_flag_value(flag.type, flag.default)
        except FlagValueError as error:
            yield context.finding(
                ("flags", name, "default"),
                f"the default of the {flag.type} flag {name!r}: {error}",
                "change one of the two",
            )


def _lint_flag_reads(context: LintContext) -> Iterator[Finding]:
    """Find the reads of flags that the file does not have, and defaults of another type."""
    flags = context.topology.flags
    seen: set[tuple[str, int]] = set()
    for stage in context.signatures:
        module = module_of_stage(context, stage)
        parsed = parsed_module(module)
        for read in flag_reads(parsed) if parsed is not None else ():
            if (module, read.line) in seen:
                continue  # it has another stage too
            seen.add((module, read.line))
            place = f"{module}, line {read.line}"
            if read.name not in flags:
                yield context.finding(
                    ("stages", stage),
                    f"stage {stage!r} reads the flag {read.name!r} ({place}), which the file does"
                    " not have",
                    did_you_mean(read.name, flags, f"add it: `flags: {{{read.name}: …}}`"),
                    on_key=True,
                )
            elif read.default is not _UNKNOWN:
                kind = flags[read.name].type
                try:
                    read_flag_value(kind, read.default)
                except FlagValueError as error:
                    yield context.finding(
                        ("stages", stage),
                        f"stage {stage!r} reads the {kind} flag {read.name!r} with a default of"
                        f" another type ({place}): {error}",
                        "give both the same type",
                        on_key=True,
                    )


def _lint_unread_flags(context: LintContext) -> Iterator[Finding]:
    """Find the flags whose name stands in no module of the stages' packages that is loaded."""
    return find_unmentioned(
        context,
        "flags",
        context.topology.flags,
        "no function reads the flag",
        "read it by `context.flag`, or delete it",
    )


FLAG_RULES: Mapping[str, LintRule] = {
    "flags": _lint_flag_declarations,
    "flag_reads": _lint_flag_reads,
    "unread_flags": _lint_unread_flags,
}
