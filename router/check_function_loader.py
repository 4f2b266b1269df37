"""Does the function of each check exist, and does it take a profile?"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from farandole.router.file_model import TopologyFile
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import YamlDocument
from farandole.stages.function_loader import UnusableFunctionError, import_function
from farandole.stages.user_traceback import function_place


def load_check_functions(document: YamlDocument, topology: TopologyFile) -> list[Finding]:
    """Import the functions of the checks of a file, and return what is wrong with them. The
    pipeline's folder is on the import path. This runs the top level of the user's modules."""
    findings = []
    for event_type, event in topology.events.items():
        for name, check in event.checks.items():
            if check.rule != "function" or check.run is None:
                continue
            try:
                function = load_check_function(check.run)
                if check.min is None and check.max is None:
                    _require_no_number(function, check.run)
            except UnusableFunctionError as error:
                path = ("events", event_type, "checks", name, "run")
                findings.append(document.finding(path, error.problem, error.remedy))
    return findings


def load_check_function(run: str) -> Callable[[Any], Any]:
    """Import the function that a check names. Raises UnusableFunctionError if there is none, or if
    it cannot be called with a profile alone."""
    function = import_function(run)
    try:
        inspect.signature(function).bind(object())
    except (TypeError, ValueError) as error:
        place = function_place(function)
        raise UnusableFunctionError(
            f"{f'{place}: ' if place else ''}{run} cannot be a check: {error}",
            f"write `def {run.rpartition(':')[2]}(profile)`: it gets the profile alone, and returns"
            " a number, or True or False, alone or with a text",
        ) from None
    for is_wrong, what in (
        (inspect.iscoroutinefunction(function), "is an `async def`"),
        (inspect.isgeneratorfunction(function), "has a `yield`"),
        (inspect.isasyncgenfunction(function), "has a `yield`"),
    ):
        if is_wrong:
            raise UnusableFunctionError(
                f"{run} cannot be a check: it {what}", "write a plain `def` that returns"
            )
    return function


def _require_no_number(function: Callable[[Any], Any], run: str) -> None:
    """Raise UnusableFunctionError for a function that says it returns a number, where nothing says
    which numbers are good."""
    returned = getattr(function, "__annotations__", {}).get("return")
    if returned in (int, float, "int", "float"):
        raise UnusableFunctionError(
            f"{run} returns a number, and the check has neither `min` nor `max`",
            "add one of them, or return True or False",
        )
