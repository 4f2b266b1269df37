"""Which functions of checks are to be called before a transaction of the bookkeeper is written?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from farandole.events.check_verdict import check_key
from farandole.events.topology_version import Version
from farandole.ledger.edge_data import EdgeData

if TYPE_CHECKING:
    from farandole.ledger.data_verdicts import Answers
    from farandole.quality.checks.function_answers import FunctionAnswer
    from farandole.quality.profiles.edge_profile import EdgeProfile


class FunctionQuestion(NamedTuple):
    """One call of the function of a check."""

    owner: str
    """The run, or the key of the window, whose data are judged."""
    pipeline: str
    check: str
    """`event type/check`."""
    run: str
    """`package.module:function`."""
    profile: EdgeProfile


CallFunctions = Callable[[Sequence[FunctionQuestion]], Awaitable[Sequence["FunctionAnswer"]]]
"""Answers questions in their order. Raises nothing."""


def window_owner(data: EdgeData) -> str:
    """Return the owner of the questions about a window."""
    return data.key.record_key.decode()


def has_functions(version: Version) -> bool:
    """Return True if a version has a check with a function."""
    return any(
        check.rule == "function"
        for event in version.events.values()
        for check in event.checks.values()
    )


def function_questions(
    version: Version,
    owner: str,
    found: Collection[EdgeData],
    only: Collection[str] | None = None,
) -> Iterator[FunctionQuestion]:
    """Yield the questions about the data of one run or window; `only`: of these checks. Nobody is
    asked about an event type of which no row came."""
    for data in found:
        event = version.events.get(data.key.event)
        if event is None or data.profile is None or not data.profile.rows:
            continue
        for name, check in event.checks.items():
            key = check_key(data.key.event, name)
            if check.rule == "function" and (only is None or key in only):
                yield FunctionQuestion(owner, version.pipeline, key, check.run, data.profile)


async def ask_functions(
    call: CallFunctions, questions: Sequence[FunctionQuestion]
) -> Mapping[str, Answers]:
    """Return the answers to some questions, by owner."""
    answers: dict[str, dict[str, FunctionAnswer]] = {}
    if questions:
        for question, answer in zip(questions, await call(questions), strict=True):
            answers.setdefault(question.owner, {})[question.check] = answer
    return answers
