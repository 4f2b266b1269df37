"""Which message does code get that imports a name from before Farandole was one package?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

if not __name__.startswith("farandole."):
    raise ImportError("stages.moved_names is a part of farandole: import farandole.stages")

_USE_FARANDOLE = "write `from farandole import Context, Reject, To`"
_INTERNAL = "is internal to Farandole: a pipeline's code imports only `farandole`"

MOVED_NAMES = {
    "stages.contract": f"stages.contract has moved: {_USE_FARANDOLE}",
    **{
        name: f"{name} {_INTERNAL}"
        for name in (
            "stages.expression",
            "stages.loading",
            "stages.parameters",
            "stages.schema",
            "stages.signature",
        )
    },
    # Python imports the parent first, and the pipeline's folder need not have one.
    "stages": f"there is no folder `stages` here; for what was stages.contract {_USE_FARANDOLE}",
}


class MovedNameFinder(MetaPathFinder):
    """Refuses the import of a moved name with a message that says what to write.

    It is the last finder, so a pipeline may have modules of these names itself. It also answers
    imports inside functions, when they run.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return None: it never finds a module. Raises ModuleNotFoundError for a moved name."""
        if fullname in MOVED_NAMES:
            raise ModuleNotFoundError(MOVED_NAMES[fullname], name=fullname)
        return None


def explain_moved_names() -> None:
    """Let imports of moved names fail with an explanation, in this process."""
    if not any(isinstance(finder, MovedNameFinder) for finder in sys.meta_path):
        sys.meta_path.append(MovedNameFinder())


def moved_name_message(error: BaseException) -> str | None:
    """Return what to write instead if an import failed because of a moved name, else None."""
    if isinstance(error, ModuleNotFoundError) and error.name in MOVED_NAMES:
        return str(error)
    return None
