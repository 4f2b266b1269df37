"""Which function does each stage of a file run, and what is its signature?"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farandole.router.declared_schemas import external_signature
from farandole.router.file_model import TopologyFile
from farandole.router.lint_finding import Finding, did_you_mean
from farandole.router.yaml_source import YamlDocument
from farandole.stages import function_loader, function_signature, moved_names
from farandole.stages.function_loader import add_to_import_path, import_named
from farandole.stages.function_signature import StageSignature, UnbindableError
from farandole.stages.moved_names import moved_name_message


@dataclass(frozen=True, slots=True)
class LoadedSignatures:
    """The signatures of the stages whose function can be used, and findings about the others."""

    signatures: dict[str, StageSignature]
    findings: list[Finding]


def load_signatures(
    document: YamlDocument, topology: TopologyFile, folder: Path
) -> LoadedSignatures:
    """Import the functions of a file, with `folder` on the import path.

    This runs the top level of the user's modules; whatever they raise becomes a finding.
    """
    add_to_import_path(folder)
    signatures: dict[str, StageSignature] = {}
    findings: list[Finding] = []
    for stage in topology.stages:
        written = topology.stages[stage].run is not None
        path = ("stages", stage, "run") if written else ("stages", stage)
        run = topology.function(stage)
        if topology.stages[stage].external:
            signatures[stage], problems = external_signature(document, topology, stage, folder)
            findings += problems
            continue
        try:
            if run is None:
                raise _FunctionProblemError(
                    f"nothing says where the function of stage {stage!r} is",
                    "add `package:` to the file, or `run:` to the stage",
                )
            signatures[stage] = _checked_signature(_import_function(run, folder), run)
        except _FunctionProblemError as problem:
            finding = document.finding(path, str(problem), problem.remedy, on_key=not written)
            findings.append(finding)
    return LoadedSignatures(signatures, findings)


class _FunctionProblemError(Exception):
    """A function cannot be used as a stage; the message says why, and `remedy` what helps."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def _import_function(run: str, folder: Path) -> Callable[..., Any]:
    module_name, _, function_name = run.partition(":")
    try:
        module = import_named(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 -- a module may raise anything, or exit
        raise _import_problem(module_name, folder, error) from None
    function = getattr(module, function_name, None)
    file = _relative_path(getattr(module, "__file__", None) or module_name, folder)
    if function is None:
        known = [name for name, value in vars(module).items() if callable(value)]
        raise _FunctionProblemError(
            f"{file} has no function {function_name!r}",
            did_you_mean(function_name, known, f"write `def {function_name}(...)` in it"),
        )
    if not callable(function):
        raise _FunctionProblemError(
            f"{function_name!r} in {file} is no function but {type(function).__name__}",
            f"write `def {function_name}(...)` in it",
        )
    typed: Callable[..., Any] = function
    return typed


def _checked_signature(function: Callable[..., Any], run: str) -> StageSignature:
    try:
        return function_signature.read_signature(function)
    except UnbindableError as error:
        raise _FunctionProblemError(f"{run} cannot be a stage", str(error)) from None
    except Exception as error:  # noqa: BLE001 -- what inspect says of an odd callable
        raise _FunctionProblemError(
            f"the signature of {run} cannot be read ({type(error).__name__}: {error})",
            "write a plain `def` with annotations",
        ) from None


def _import_problem(module: str, folder: Path, error: BaseException) -> _FunctionProblemError:
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        *above, last = module.split(".")
        siblings = [file.stem for file in folder.joinpath(*above).glob("*.py")]
        return _FunctionProblemError(
            f"there is no {'/'.join([*above, last])}.py",
            did_you_mean(last, siblings, "create it, or say where the function is with `run:`"),
        )
    return _FunctionProblemError(
        f"{module} cannot be imported: {_error_location(error, folder)}", "correct that line"
    )


def _error_location(error: BaseException, folder: Path) -> str:
    """Return the place and the error, such as `stages/x/plan.py:3: NameError: name 'y' is not
    defined`."""
    text = moved_name_message(error) or f"{type(error).__name__}: {error}".partition("\n")[0]
    if isinstance(error, SyntaxError):
        text = f"SyntaxError: {error.msg}"
        if error.filename:
            return f"{_relative_path(error.filename, folder)}:{error.lineno}: {text}"
    # Paths are not resolved, because the files of Farandole are reached by links.
    ours = (__file__, function_loader.__file__, moved_names.__file__, importlib.__file__)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen") and frame.filename not in ours
    ]
    root = str(folder.resolve())
    own = [frame for frame in frames if frame.filename.startswith(root)] or frames
    if not own:
        return text
    return f"{_relative_path(own[-1].filename, folder)}:{own[-1].lineno}: {text}"


def _relative_path(file: str, folder: Path) -> str:
    path = Path(file)
    root = folder.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
