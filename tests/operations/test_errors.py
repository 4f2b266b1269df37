"""Do errors of operations carry a code, fields and next steps?"""

from __future__ import annotations

from pathlib import Path

import pytest

from farandole.broker.broker_errors import (
    DeadlineExceededError,
    NoAnswerError,
    UnreachableError,
)
from farandole.catalog.published_versions import NothingAppliedError
from farandole.cli.context import CliContext
from farandole.events.next_step import NextStep
from farandole.events.row_format import NewerFormatError
from farandole.operations import errors
from farandole.operations.errors import (
    QUERY_TRIES,
    ConflictError,
    NotFoundError,
    OperationError,
    RefusedError,
    UnavailableError,
    operation,
    query,
)
from farandole.operations.names import require_known
from farandole.operations.reason_text import reason_text
from farandole.operations.reasons import Reason
from farandole.services.invocation import CommandContext, Invocation


def test_no_code_belongs_to_two_classes() -> None:
    classes = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, OperationError)
    ]
    codes = [code for each in classes for code in each.CODES]
    assert len(codes) == len(set(codes)) > 30


def test_a_code_that_the_class_does_not_know_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no code 'run_closed'"):
        NotFoundError("run_closed")


def test_a_command_is_kept_apart_from_the_message() -> None:
    error = ConflictError(
        "run_closed", "abc is over", next_steps=[NextStep("run", ("again", "abc"))], run="abc"
    )
    assert str(error) == "abc is over; run: farandole again abc"
    assert error.lines() == ["farandole: abc is over; run: farandole again abc"]
    assert error.lines(lambda *words: f"[{' '.join(words)}]") == [
        "farandole: abc is over; run: [again abc]"
    ]
    assert error.to_data() == {
        "code": "run_closed",
        "message": "abc is over",
        "details": [],
        "fields": {"run": "abc"},
        "next_steps": [{"lead": "run", "command": "farandole again abc", "note": ""}],
    }


def test_details_are_lines_of_their_own() -> None:
    error = RefusedError("findings", details=["a.yaml:1:1: empty", "a.yaml:2:1: wrong"])
    assert error.lines() == ["a.yaml:1:1: empty", "a.yaml:2:1: wrong"]
    assert str(error) == "a.yaml:1:1: empty; a.yaml:2:1: wrong"


async def test_errors_of_lower_rooms_become_operation_errors() -> None:
    @errors.operation
    async def fails(error: Exception) -> None:
        raise error

    for error, code in (
        (UnreachableError("nobody answers"), "broker_unreachable"),
        (DeadlineExceededError("no answer"), "deadline_exceeded"),
        (NothingAppliedError("nothing"), "nothing_applied"),
        (NewerFormatError("version p@3", 9, 2), "newer_format"),
    ):
        with pytest.raises(OperationError) as raised:
            await fails(error)
        assert raised.value.code == code
        assert raised.value.__cause__ is error
        assert str(raised.value) == str(error)
    with pytest.raises(ZeroDivisionError):
        await fails(ZeroDivisionError())


def test_an_unknown_name_comes_with_the_nearest_one() -> None:
    assert require_known("price", ["price", "load"], "stage") == "price"
    with pytest.raises(NotFoundError, match="no stage 'pric'; did you mean 'price'") as raised:
        require_known("pric", ["price", "load"], "stage")
    assert raised.value.code == "unknown_stage"
    assert raised.value.fields["known"] == ["price", "load"]


def test_a_reason_has_a_sentence() -> None:
    reason = Reason("ledger_stopped", {"behind": 1200})
    assert reason_text(reason) == (
        "the ledger is not running, and 1\u202f200 offsets behind: its figures are those of when "
        "it ended; farandole up runs it"
    )
    assert reason.to_data() == {"code": "ledger_stopped", "fields": {"behind": 1200}}


def test_an_invocation_leads_to_the_same_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/python"])
    invocation = Invocation(Path("x y"), Path("a.yaml"), "kafka:1", "test")
    options = "-C 'x y' -f a.yaml --bootstrap kafka:1 --namespace test"
    assert invocation.command_line("status") == f"farandole {options} status"
    assert invocation.render(NextStep("see", ("history",))) == f"see: farandole {options} history"
    assert invocation.command_line("kafka", "start") == "farandole -C 'x y' kafka start"


def test_the_context_of_the_command_line_is_what_registered_commands_expect() -> None:
    context: CommandContext = CliContext(Path(), namespace="test")
    assert context.invocation == Invocation(Path(), namespace="test")


class Asked:
    """A query that Kafka answers too late, so many times."""

    def __init__(self, late: int, error: Exception) -> None:
        self.late = late
        self.error = error
        self.times = 0

    async def ask(self) -> str:
        self.times += 1
        if self.times <= self.late:
            raise self.error
        return "answered"


LATE = (DeadlineExceededError("asking for offsets"), NoAnswerError("no answer"))


@pytest.mark.parametrize("error", LATE)
async def test_a_query_asks_again_when_the_answer_is_late(error: Exception) -> None:
    asked = Asked(QUERY_TRIES - 1, error)
    assert await query(asked.ask)() == "answered"
    assert asked.times == QUERY_TRIES


@pytest.mark.parametrize("error", LATE)
async def test_a_query_in_a_query_gives_up_as_soon(error: Exception) -> None:
    asked = Asked(99, error)

    async def outer() -> str:
        return await query(asked.ask)()

    with pytest.raises(UnavailableError):
        await query(outer)()
    assert asked.times == QUERY_TRIES


async def test_what_is_refused_or_may_have_been_done_is_not_asked_again() -> None:
    refused = Asked(99, UnreachableError("connection refused"))
    with pytest.raises(UnavailableError):
        await query(refused.ask)()
    unknown = Asked(99, DeadlineExceededError("publishing; whether it was published is unknown"))
    with pytest.raises(UnavailableError):
        await operation(unknown.ask)()
    assert (refused.times, unknown.times) == (1, 1)
