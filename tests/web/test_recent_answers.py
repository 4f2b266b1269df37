"""Is an answer made once for all who ask at about the same time?"""

from __future__ import annotations

import asyncio

import pytest

from farandole.web.recent_answers import MAX_ANSWERS, RecentAnswers


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Maker:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self) -> int:
        self.made += 1
        await asyncio.sleep(0)
        return self.made


async def test_who_asks_meanwhile_gets_the_same_answer() -> None:
    answers, make = RecentAnswers(Clock()), Maker()
    found = await asyncio.gather(*(answers.get("a", 2.0, make) for _ in range(10)))
    assert (found, make.made) == ([1] * 10, 1)


async def test_an_answer_is_made_anew_once_it_is_old_or_something_was_written() -> None:
    clock, make = Clock(), Maker()
    answers = RecentAnswers(clock)
    await answers.get("a", 2.0, make)
    clock.now = 1.9
    assert await answers.get("a", 2.0, make) == 1
    clock.now = 2.0
    assert await answers.get("a", 2.0, make) == 2
    answers.forget()
    assert await answers.get("a", 2.0, make) == 3


async def test_an_error_is_not_kept() -> None:
    async def fail() -> int:
        raise ConnectionError("Kafka is away")

    answers, make = RecentAnswers(Clock()), Maker()
    with pytest.raises(ConnectionError):
        await answers.get("a", 2.0, fail)
    assert await answers.get("a", 2.0, make) == 1


async def test_old_questions_are_forgotten() -> None:
    answers, make = RecentAnswers(Clock()), Maker()
    for number in range(MAX_ANSWERS + 1):
        await answers.get(number, 2.0, make)
    await answers.get(MAX_ANSWERS, 2.0, make)
    assert make.made == MAX_ANSWERS + 1
    await answers.get(0, 2.0, make)
    assert make.made == MAX_ANSWERS + 2
