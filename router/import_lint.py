"""Does a module in the pipeline's folder hide another one, or lose to one of Farandole's own?"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import PathFinder
from pathlib import Path

import farandole
from farandole.router.file_model import TopologyFile
from farandole.router.lint_finding import Finding
from farandole.router.yaml_source import KeyPath, YamlDocument
from farandole.stages.function_loader import own_module

_REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def lint_imports(document: YamlDocument, topology: TopologyFile, folder: Path) -> list[Finding]:
    """Return a warning for each module in `folder` whose name is taken."""
    return [
        *_lint_hidden_modules(document, folder),
        *_lint_lost_modules(document, topology, folder),
    ]


def _lint_hidden_modules(document: YamlDocument, folder: Path) -> Iterator[Finding]:
    """The folder comes first on the import path: its modules hide others of the same name."""
    if Path(farandole.__path__[0]).parent == folder.resolve():
        return  # the folder is Farandole's own repository
    for file in _top_level_modules(folder):
        name = file.parent.name if file.name == "__init__.py" else file.stem
        hidden = _hidden_module(name, folder)
        if hidden is not None:
            yield document.finding(
                ("pipeline",),
                f"{file.relative_to(folder)} hides {hidden} from all other code",
                "give it another name",
                severity="warning",
            )


def _top_level_modules(folder: Path) -> list[Path]:
    """Return the modules and packages in a folder. A folder without `__init__.py` hides nothing."""
    files = [file for file in folder.glob("*.py") if file.stem.isidentifier()]
    return sorted([*files, *folder.glob("*/__init__.py")])


def _hidden_module(name: str, folder: Path) -> str | None:
    """Return what a module of this name hides, in words; None if it hides nothing that matters."""
    if name in sys.stdlib_module_names:
        return f"the module {name!r} of the standard library"
    if name == "farandole":
        return "Farandole itself"
    own_folder = str(folder.resolve())
    elsewhere = [path for path in sys.path if path and str(Path(path).resolve()) != own_folder]
    spec = PathFinder.find_spec(name, elsewhere)
    if spec is None or spec.origin is None:
        return None
    owners = set(metadata.packages_distributions().get(name, ())) & _needed_distributions()
    return f"{name!r} of {min(owners)}, which Farandole needs," if owners else None


def _needed_distributions() -> set[str]:
    """Return the names of the installed distributions that Farandole needs, directly or not."""
    needed: set[str] = set()
    waiting = ["farandole"]
    installed = {_normalized(d.name): d for d in metadata.distributions() if d.name}
    while waiting:
        distribution = installed.get(_normalized(waiting.pop()))
        if distribution is None or distribution.name in needed:
            continue
        needed.add(distribution.name)
        for requirement in distribution.requires or ():
            match = _REQUIREMENT_NAME.match(requirement)
            if match and "extra ==" not in requirement:
                waiting.append(match[0])
    return needed - {"farandole"}


def _normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _lint_lost_modules(
    document: YamlDocument, topology: TopologyFile, folder: Path
) -> Iterator[Finding]:
    """`stages.generic.…` names Farandole's own module, whatever the folder has."""
    for stage in topology.stages:
        run = topology.function(stage)
        module = (run or "").partition(":")[0]
        own = own_module(module)
        if own is None:
            continue
        file = folder.joinpath(*module.split(".")).with_suffix(".py")
        if not file.is_file() or file.samefile(_own_file(own)):
            continue
        written = topology.stages[stage].run is not None
        path: KeyPath = ("stages", stage, "run") if written else ("stages", stage)
        yield document.finding(
            path,
            f"{module} is Farandole's own: {file.relative_to(folder)} is not used",
            "move it out of stages/generic, and name it with `run:`",
            on_key=not written,
            severity="warning",
        )


def _own_file(module: str) -> Path:
    return Path(farandole.__path__[0]).joinpath(*module.split(".")[1:]).with_suffix(".py")
