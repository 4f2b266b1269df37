"""What does a terminal show of one dead letter?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from farandole.cli.rendering.dead_letter_view import letter_lines
from farandole.events.dead_letter import FailureAccount, build_dead_letter
from farandole.events.header_codec import decode_headers
from farandole.lanes.simulated_kafka import SimulatedRecord
from farandole.operations.dead_letters.letter_queries import LetterResult

FIRST = datetime(2026, 11, 29, 11, 2, 25, 5, tzinfo=UTC)
LAST = datetime(2026, 11, 29, 11, 2, 27, 174511, tzinfo=UTC)


def shown(**account: object) -> list[str]:
    """The lines of a letter with such an account."""
    died = SimulatedRecord("p.line", 0, 7, b"{}", None, [], 5)
    death = FailureAccount("load", "p@1", "r", "ProcessDied", "killed", **account)  # type: ignore[arg-type]
    written = build_dead_letter(died, death, largest=1_000_000)
    record = SimulatedRecord("p.load.dead", 0, 3, b"{}", None, decode_headers(written.headers), 5)
    letter = LetterResult("load", "p.load.dead", record, None, None, "kafka:1")
    return letter_lines(letter)


def tried(**account: object) -> str:
    """The line about the tries of a letter with such an account."""
    (line,) = (line for line in shown(**account) if line.startswith("tried"))
    return line.removeprefix("tried    ")


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({"attempts": 1, "last_failed": LAST}, "once, at 2026-11-29 11:02:27 UTC"),
        (
            {"attempts": 5, "first_failed": FIRST, "last_failed": LAST},
            "5 times, from 2026-11-29 11:02:25 to 2026-11-29 11:02:27 UTC",
        ),
        ({"attempts": 5, "last_failed": LAST}, "5 times, last at 2026-11-29 11:02:27 UTC"),
        ({"attempts": 5}, "5 times"),
    ],
)
def test_the_tries_have_times_as_everywhere_and_only_those_that_are_known(
    account: dict[str, object], said: str
) -> None:
    assert tried(**account) == said


def test_a_letter_says_which_function_of_a_canary_failed() -> None:
    assert "variant  stages.shop.price2:price" in shown(variant="stages.shop.price2:price")
    assert not [line for line in shown() if line.startswith("variant")]
