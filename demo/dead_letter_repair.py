"""How does the demo mend one kind of failure, until the books say that it is settled?"""

from __future__ import annotations

import asyncio
import os
import shlex
from pathlib import Path

import orjson
from rich.console import Console

from farandole.broker.settings import Settings
from farandole.cli.context import CliContext
from farandole.cli.rendering.dead_letter_view import kind_lines, replay_lines
from farandole.cli.rendering.errors import CommandError
from farandole.events.failure_fingerprint import failure_title
from farandole.events.run_row import RunRow, edges_balance
from farandole.events.topology_version import Version
from farandole.operations.current_user import current_user
from farandole.operations.dead_letters import failure_kinds
from farandole.operations.dead_letters.dead_letter_store import open_dead_letter_store
from farandole.operations.dead_letters.failure_kinds import FailureKind
from farandole.operations.dead_letters.letter_selection import LetterSelection
from farandole.operations.dead_letters.replay import ReplayRequest, replay_letters
from farandole.operations.runs.run_rows import first_matching_row

REPAIRABLE_REASON = "something was paid for a quantity of 0"
"""Why `validate` rejects a line whose till forgot to count the pieces."""
REPAIR_PATCH = {"quantity": 1}
"""The merge patch that mends it."""


async def repair_dead_letters(
    console: Console,
    context: CliContext,
    settings: Settings,
    version: Version,
    row: RunRow,
    patience: float,
) -> RunRow:
    """Show what died of a run that is complete; mend and replay the lines whose till forgot to
    count the pieces, as the commands do that are shown; wait until the books say that this is
    settled. The run's row, as it is then.

    The workers must be running. Raises CommandError where `patience` seconds do not suffice or a
    mended line died again, and BrokerError."""
    run = row["run"]
    _print_command(console, context.command_line("dead", f"--run {run}"))
    store = await open_dead_letter_store(settings, version.pipeline)
    found = await failure_kinds.list_failure_kinds(store, store.stages, LetterSelection(run=run))
    for line in kind_lines(found) if found else ["no dead letter fits"]:
        _print_line(console, line)
    kind = next((each for each in found if _is_repairable(each)), None)
    if kind is None:
        _print_line(
            console, "No line died because a till forgot to count its pieces: nothing to mend."
        )
        return row
    patch = _write_patch_file(context.folder)
    _print_line(console, "\nWhere a till forgot to count the pieces, one was sold:")
    _print_command(
        console, f"echo {shlex.quote(patch.read_text().strip())} > {shlex.quote(str(patch))}"
    )
    options = f"--run {run} --fingerprint {kind.fingerprint} --patch {shlex.quote(str(patch))}"
    _print_command(console, context.command_line("dead replay", options, "--yes"))
    chosen = LetterSelection(run=run, fingerprint=kind.fingerprint)
    request = ReplayRequest(chosen, current_user(), (orjson.loads(patch.read_bytes()),))
    replayed = await replay_letters(context.installation_of(settings), request)
    for line in replay_lines(replayed):
        _print_line(console, line)
    if replayed.refused or not replayed.replayed:
        raise CommandError("farandole: not every line could be replayed, see above")
    settled = await _wait_until_settled(context, settings, row, patience)
    before, now = _dead_count(row), _dead_count(settled)
    if now > before - replayed.replayed:
        why = context.command_line("dead", f"--run {run}")
        raise CommandError(f"farandole: mended lines have died again; why says: {why}")
    _print_line(console, f"The books have settled that: {before:,} dead before, {now:,} now.")
    return settled


async def _wait_until_settled(
    context: CliContext, settings: Settings, before: RunRow, patience: float
) -> RunRow:
    """The row, once it balances again. Raises CommandError."""

    def amended(row: RunRow) -> bool:
        return row["amended"] > before["amended"] and edges_balance(row["edges"])

    try:
        async with asyncio.timeout(patience):
            return await first_matching_row(settings, before["run"], amended)
    except TimeoutError:
        what = context.command_line("run", before["run"])
        raise CommandError(
            f"farandole: what was replayed is not settled after {patience:g} s; "
            f"where it waits says: {what}"
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
    """Written anew, as a person may have edited it; seen from where he is."""
    file = folder / ".farandole" / "one-each.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(orjson.dumps(REPAIR_PATCH) + b"\n")
    return Path(os.path.relpath(file))


def _print_command(console: Console, command: str) -> None:
    """As a person would have."""
    _print_line(console, f"$ {command}")


def _print_line(console: Console, line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)
