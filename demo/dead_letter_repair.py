"""How does the demo repair one kind of failure, until the replays are settled in the books?"""

from __future__ import annotations

import asyncio
import os
import shlex
from dataclasses import replace
from pathlib import Path

import orjson
from rich.console import Console

from farandole.broker.settings import Settings
from farandole.demo.errors import DemoError
from farandole.demo.shown_command import print_command, print_line, run_command
from farandole.events.failure_fingerprint import failure_title
from farandole.events.next_step import NextStep
from farandole.events.number_format import grouped
from farandole.events.run_row import RunRow, edges_balance
from farandole.operations.current_user import current_user
from farandole.operations.dead_letters.failure_kinds import FailureKind
from farandole.operations.dead_letters.letter_queries import KindsRequest, list_kinds
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay import (
    ReplayRequest,
    ReplayResult,
    preview_replay,
    replay_letters,
)
from farandole.operations.installation import Installation
from farandole.operations.reason_text import reason_text
from farandole.operations.runs.run_rows import first_matching_row
from farandole.services.invocation import Invocation

REPAIRABLE_REASON = "something was paid for a quantity of 0"
"""Why `validate` rejects a line whose till forgot to count the pieces."""
REPAIR_PATCH = {"quantity": 1}
"""The merge patch that mends it."""


async def repair_dead_letters(
    console: Console,
    invocation: Invocation,
    installation: Installation,
    row: RunRow,
    patience: float,
) -> RunRow:
    """Show the dead letters of a complete run. Repair and replay the lines whose till forgot to
    count the pieces, and print the commands that do the same. Return the run row once the books
    show that the replays are settled.

    The workers must be running. Raises DemoError if `patience` seconds are not enough or a repaired
    line died again, and OperationError.
    """
    run = row["run"]
    await run_command(console, invocation, installation.settings, "dead", "--run", run)
    kinds = await list_kinds(installation, KindsRequest(LetterSelection(run=run)))
    kind = next((each for each in kinds if _is_repairable(each)), None)
    if kind is None:
        print_line(
            console, "No line died because a till forgot to count its pieces: nothing to mend."
        )
        return row
    patch = _write_patch_file(invocation.folder)
    print_line(console, "\nWhere a till forgot to count the pieces, one was sold:")
    print_command(
        console, f"echo {shlex.quote(patch.read_text().strip())} > {shlex.quote(str(patch))}"
    )
    options = f"--run {run} --fingerprint {kind.fingerprint} --patch {shlex.quote(str(patch))}"
    print_command(console, invocation.command_line("dead replay", options, "--yes"))
    selection = LetterSelection(run=run, fingerprint=kind.fingerprint)
    result = await _replay(console, installation, selection)
    if result.refused or not result.replayed:
        raise DemoError("not_replayed", "not every line could be replayed, see above")
    settled = await _wait_until_settled(installation.settings, row, patience)
    before, now = _dead_count(row), _dead_count(settled)
    if now > before - result.replayed:
        why = NextStep("why says", ("dead", f"--run {run}"))
        raise DemoError("died_again", "mended lines have died again", next_steps=[why])
    print_line(
        console,
        f"The books have settled that: {grouped(before)} dead before, {grouped(now)} now.",
    )
    return settled


async def _replay(
    console: Console, installation: Installation, selection: LetterSelection
) -> ReplayResult:
    """Replay the selected letters, and print the same lines as the command."""
    request = ReplayRequest(selection, current_user(), orjson.dumps(REPAIR_PATCH).decode())
    preview = await preview_replay(installation, request)
    for each in preview.stages:
        print_line(console, f"{each.stage}: {_letters(each.replayable)} can be replayed")
    for refusal in preview.refused:
        why = reason_text(refusal.reason)
        print_line(console, f"{_letters(refusal.count)} cannot be replayed: {why}")
    result = await replay_letters(installation, replace(request, letters=preview.letters))
    for done in result.stages:
        print_line(console, f"{done.stage}: {_letters(done.replayed)} replayed")
    return result


def _letters(count: int) -> str:
    return f"{grouped(count)} letter{'' if count == 1 else 's'}"


async def _wait_until_settled(settings: Settings, before: RunRow, patience: float) -> RunRow:
    """Return the row once it balances again. Raises DemoError after `patience` seconds."""

    def amended(row: RunRow) -> bool:
        return row["amended"] > before["amended"] and edges_balance(row["edges"])

    try:
        async with asyncio.timeout(patience):
            return await first_matching_row(settings, before["run"], amended)
    except TimeoutError:
        raise DemoError(
            "not_settled",
            f"what was replayed is not settled after {patience:g} s",
            next_steps=[NextStep("where it waits says", ("run", before["run"]))],
        ) from None


def _is_repairable(kind: FailureKind) -> bool:
    return (
        kind.stage == "validate"
        and kind.title == failure_title(REPAIRABLE_REASON)
        and kind.open > 0
    )


def _dead_count(row: RunRow) -> int:
    return sum(edge["dead"] for edge in row["edges"].values())


def _write_patch_file(folder: Path) -> Path:
    """Write the patch file again, since a person may have edited it, and return its path relative
    to the working directory."""
    file = folder / ".farandole" / "one-each.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(orjson.dumps(REPAIR_PATCH) + b"\n")
    return Path(os.path.relpath(file))
