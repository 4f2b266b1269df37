"""Which sentence tells a person a reason?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from farandole.events.next_step import CommandLine, NextStep, plain_command_line
from farandole.operations.reasons import Reason

Sentence = Callable[[Mapping[str, Any], CommandLine], str]


def reason_text(reason: Reason, command_line: CommandLine = plain_command_line) -> str:
    """Return the sentence for a reason, with commands as `command_line` writes them.

    Raises KeyError for a code that is not in the table below.
    """
    return _SENTENCES[reason.code](reason.fields, command_line)


def _no_books(_: Mapping[str, Any], command_line: CommandLine) -> str:
    apply = NextStep("", ("apply",)).text(command_line)
    return f"there are no books: no version that keeps any was applied; {apply}"


def _ledger_stopped(fields: Mapping[str, Any], command_line: CommandLine) -> str:
    behind = f", and {fields['behind']:,} offsets behind" if fields["behind"] else ""
    step = NextStep("", ("up",), " runs it").text(command_line)
    return f"the ledger is not running{behind}: its figures are those of when it ended; {step}"


def _ledger_behind(fields: Mapping[str, Any], _: CommandLine) -> str:
    return f"the ledger is {fields['behind']:,} offsets behind"


_SENTENCES: Mapping[str, Sentence] = {
    "no_books": _no_books,
    "ledger_stopped": _ledger_stopped,
    "ledger_behind": _ledger_behind,
}
