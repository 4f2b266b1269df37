"""How is a plan saved in a file and loaded again?"""

from __future__ import annotations

from pathlib import Path

from farandole.events.next_step import NextStep
from farandole.operations.errors import RefusedError
from farandole.router.change_plan import ChangePlan, dump_plan, load_plan

_SAVE_PLAN = ("plan", "--out", "plan.json")


def load_plan_file(file: Path) -> ChangePlan:
    """Return the plan in a file. Raises RefusedError (`plan_file_unusable`)."""
    try:
        return load_plan(file.read_bytes())
    except OSError as error:
        raise _file_error(file, f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise _file_error(
            file,
            "is no plan of this version of Farandole",
            NextStep("make one", _SAVE_PLAN),
        ) from None


def save_plan_file(file: Path, plan: ChangePlan) -> None:
    """Write a plan. Raises RefusedError (`plan_file_unusable`)."""
    try:
        file.write_bytes(dump_plan(plan))
    except OSError as error:
        raise _file_error(file, f"cannot be written ({error.strerror})") from None


def require_replaceable(file: Path) -> None:
    """Raise RefusedError (`plan_file_unusable`) if the file exists and is no plan: only a plan may
    be overwritten."""
    try:
        content = file.read_bytes() if file.is_file() else b""
        if content:
            load_plan(content)
    except OSError as error:
        raise _file_error(file, f"cannot be read ({error.strerror})") from None
    except ValueError:
        raise _file_error(
            file,
            "exists and is no plan, so it was not overwritten",
            NextStep("choose another name", _SAVE_PLAN),
        ) from None


def _file_error(file: Path, problem: str, step: NextStep | None = None) -> RefusedError:
    steps = (step,) if step is not None else ()
    return RefusedError("plan_file_unusable", f"{file} {problem}", next_steps=steps, file=str(file))
