"""What does the function of a check say of a profile, called in this process?"""

from __future__ import annotations

from collections.abc import Sequence

from farandole.ledger.function_questions import FunctionQuestion
from farandole.quality.checks.function_answers import MAX_TEXT, FunctionAnswer, read_answer
from farandole.quality.checks.profile_view import Profile
from farandole.quality.profiles.edge_profile import EdgeProfile
from farandole.stages.function_loader import UnusableFunctionError, import_function
from farandole.stages.user_traceback import error_place


def call_check_function(run: str, profile: EdgeProfile) -> FunctionAnswer:
    """Call the function `run` with a profile. What it raises, and what its module raises, is an
    answer that says so."""
    try:
        return read_answer(import_function(run)(Profile(profile)))
    except UnusableFunctionError as error:
        return FunctionAnswer(problem=str(error)[:MAX_TEXT])
    except BaseException as error:  # noqa: BLE001 -- a function may raise anything, or exit
        place = error_place(error)
        try:
            what = f"{type(error).__name__}: {error}".partition("\n")[0]
        except Exception:  # noqa: BLE001 -- the text of an exception is the user's code, too
            what = type(error).__name__
        return FunctionAnswer(
            problem=f"its function has failed: {f'{place}: ' if place else ''}{what}"[:MAX_TEXT]
        )


async def call_here(questions: Sequence[FunctionQuestion]) -> Sequence[FunctionAnswer]:
    """Answer questions in this process, for a pipeline that runs in memory."""
    return [call_check_function(each.run, each.profile) for each in questions]
