"""Which function does each stage of a file run, and what is its signature?"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farandole.router.document import Document
from farandole.router.finding import Finding, did_you_mean
from farandole.router.form import Form
from farandole.stages import loading, signature
from farandole.stages.loading import import_named, moved, on_path
from farandole.stages.signature import Signature, Unbindable


@dataclass(frozen=True, slots=True)
class Loaded:
    """The signatures of the stages whose function can be bound, and findings about the others."""

    signatures: dict[str, Signature]
    findings: list[Finding]


def load(document: Document, form: Form, folder: Path) -> Loaded:
    """Import the functions of a form, with `folder` on the import path.

    It runs the top level of the user's modules; whatever that raises becomes a finding.
    """
    on_path(folder)
    signatures: dict[str, Signature] = {}
    findings: list[Finding] = []
    for stage in form.stages:
        written = form.stages[stage].run is not None
        path = ("stages", stage, "run") if written else ("stages", stage)
        run = form.function(stage)
        try:
            if run is None:
                raise _Missing(
                    f"nothing says where the function of stage {stage!r} is",
                    "add `package:` to the file, or `run:` to the stage",
                )
            signatures[stage] = _signature(_function(run, folder), run)
        except _Missing as missing:
            findings.append(document.finding(path, *missing.said, on_key=not written))
    return Loaded(signatures, findings)


class _Missing(Exception):  # noqa: N818 -- what the function is
    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.said = (message, remedy)


def _function(run: str, folder: Path) -> Callable[..., Any]:
    module_name, _, function_name = run.partition(":")
    try:
        module = import_named(module_name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 -- a module may raise anything, or exit
        raise _not_imported(module_name, folder, error) from None
    function = getattr(module, function_name, None)
    file = _relative(getattr(module, "__file__", None) or module_name, folder)
    if function is None:
        known = [name for name, value in vars(module).items() if callable(value)]
        raise _Missing(
            f"{file} has no function {function_name!r}",
            did_you_mean(function_name, known, f"write `def {function_name}(...)` in it"),
        )
    if not callable(function):
        raise _Missing(
            f"{function_name!r} in {file} is no function but {type(function).__name__}",
            f"write `def {function_name}(...)` in it",
        )
    found: Callable[..., Any] = function
    return found


def _signature(function: Callable[..., Any], run: str) -> Signature:
    try:
        return signature.read(function)
    except Unbindable as error:
        raise _Missing(f"{run} cannot be a stage", str(error)) from None
    except Exception as error:  # noqa: BLE001 -- what inspect says of an odd callable
        raise _Missing(
            f"the signature of {run} cannot be read ({type(error).__name__}: {error})",
            "write a plain `def` with annotations",
        ) from None


def _not_imported(module: str, folder: Path, error: BaseException) -> _Missing:
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        *above, last = module.split(".")
        siblings = [file.stem for file in folder.joinpath(*above).glob("*.py")]
        return _Missing(
            f"there is no {'/'.join([*above, last])}.py",
            did_you_mean(last, siblings, "create it, or say where the function is with `run:`"),
        )
    return _Missing(f"{module} cannot be imported: {_cause(error, folder)}", "correct that line")


def _cause(error: BaseException, folder: Path) -> str:
    """`stages/x/plan.py:3: NameError: name 'y' is not defined`."""
    said = moved(error) or f"{type(error).__name__}: {error}".partition("\n")[0]
    if isinstance(error, SyntaxError):
        said = f"SyntaxError: {error.msg}"
        if error.filename:
            return f"{_relative(error.filename, folder)}:{error.lineno}: {said}"
    everything = traceback.extract_tb(error.__traceback__)
    frames = [f for f in everything if not f.filename.startswith("<frozen")]
    root = str(folder.resolve())
    own = [f for f in frames if f.filename.startswith(root)] or [
        f for f in frames if f.filename not in (__file__, loading.__file__, importlib.__file__)
    ]
    if not own:
        return said
    return f"{_relative(own[-1].filename, folder)}:{own[-1].lineno}: {said}"


def _relative(file: str, folder: Path) -> str:
    path = Path(file)
    root = folder.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name
