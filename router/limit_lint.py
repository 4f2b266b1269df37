"""Are the limits of a file well named, and are they those for which the functions wait, and where
they may wait?"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from farandole.events.throttle_spec import LIMIT_NAME_PATTERN, MAX_LIMIT_NAME_LENGTH
from farandole.router.context_calls import (
    ContextCall,
    context_calls,
    find_unmentioned,
    module_of_stage,
    parsed_module,
)
from farandole.router.lint_context import LintContext, LintRule
from farandole.router.lint_finding import Finding
from farandole.stages.nearest_name import did_you_mean


def _lint_limit_names(context: LintContext) -> Iterator[Finding]:
    for name in context.topology.limits:
        if not LIMIT_NAME_PATTERN.fullmatch(name):
            yield context.finding(
                ("limits", name),
                f"{name!r} is no name of a limit: words of lowercase letters and digits, with"
                " - _ . between them",
                "write for example crm",
                on_key=True,
            )
        elif len(name) > MAX_LIMIT_NAME_LENGTH:
            yield context.finding(
                ("limits", name),
                f"the name of this limit has more than {MAX_LIMIT_NAME_LENGTH} characters",
                "shorten it",
                on_key=True,
            )


def _lint_limit_calls(context: LintContext) -> Iterator[Finding]:
    """Find the waits for limits that the file does not have, and those that would hold the event
    loop, or would not wait."""
    limits = context.topology.limits
    seen: set[tuple[str, int]] = set()
    for stage in context.signatures:
        module = module_of_stage(context, stage)
        parsed = parsed_module(module)
        for found in context_calls(parsed, "limit") if parsed is not None else ():
            place = f"{module}, line {found.call.lineno}"
            problem = _call_problem(context, stage, found)
            if problem is not None:
                message, remedy = problem
                yield context.finding(
                    ("stages", stage), f"stage {stage!r} {message} ({place})", remedy, on_key=True
                )
            if found.name is None or found.name in limits or (module, found.call.lineno) in seen:
                continue
            seen.add((module, found.call.lineno))  # it may have another stage too
            yield context.finding(
                ("stages", stage),
                f"stage {stage!r} waits for the limit {found.name!r} ({place}), which the file does"
                " not have",
                did_you_mean(found.name, limits, f"add it: `limits: {{{found.name}: 50/s}}`"),
                on_key=True,
            )


def _call_problem(context: LintContext, stage: str, found: ContextCall) -> tuple[str, str] | None:
    """Return what is wrong with the place of a call in the function of a stage, and what helps."""
    written = context.topology.stages[stage]
    function = (context.topology.function(stage) or "").partition(":")[2]
    threads = written.value("threads")
    if threads is None:
        threads = context.topology.defaults.value("threads")
    if isinstance(found.function, ast.AsyncFunctionDef):
        if found.function.name != function or not found.is_discarded:
            return None
        return (
            "does not await context.limit, and so does not wait",
            "write `await context.limit(…)`",
        )
    if found.function.name != function or threads:
        return None
    return (
        "would hold the event loop by context.limit: its function is a plain `def`",
        "write it as `async def` with `await context.limit(…)`, or give the stage `threads:`",
    )


def _lint_unread_limits(context: LintContext) -> Iterator[Finding]:
    return find_unmentioned(
        context,
        "limits",
        context.topology.limits,
        "no function waits for the limit",
        "wait for it by `await context.limit`, or delete it",
    )


LIMIT_RULES: Mapping[str, LintRule] = {
    "limits": _lint_limit_names,
    "limit_calls": _lint_limit_calls,
    "unread_limits": _lint_unread_limits,
}
