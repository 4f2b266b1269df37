"""How does the demo mend one kind of failure, until the books say that it is settled?"""

from __future__ import annotations

import asyncio
import os
import shlex
from pathlib import Path

import orjson
from rich.console import Console

from farandole.broker.settings import Settings
from farandole.console.books.rows import first
from farandole.console.dead_letters import kinds, orders
from farandole.console.dead_letters.amending import read_patch
from farandole.console.dead_letters.letters import Group, Selection
from farandole.console.dead_letters.settling import graveyard
from farandole.console.failing import Failed
from farandole.console.hints import farandole
from farandole.console.wiring import Here
from farandole.events.fingerprint import title
from farandole.events.ledger import Row, balanced
from farandole.events.topology import Version

FORGOTTEN = "something was paid for a quantity of 0"
"""Why `validate` rejects a line whose till forgot to count the pieces."""
PATCH = {"quantity": 1}
"""The merge patch that mends it."""


async def mend(
    console: Console, here: Here, settings: Settings, version: Version, row: Row, patience: float
) -> Row:
    """Show what died of a run that is complete; mend and replay the lines whose till forgot to
    count the pieces, as the commands do that are shown; wait until the books say that this is
    settled. The run's row, as it is then.

    The workers must be running. Raises Failed where `patience` seconds do not suffice or a mended
    line died again, and BrokerError.
    """
    run = row["run"]
    _typed(console, farandole(here, "dead", f"--run {run}"))
    yard = await graveyard(settings, version.pipeline)
    found = await kinds.of(yard, yard.stages, Selection(run=run))
    for line in kinds.table(found) if found else ["no dead letter fits"]:
        _say(console, line)
    kind = next((each for each in found if _forgotten(each)), None)
    if kind is None:
        _say(console, "No line died because a till forgot to count its pieces: nothing to mend.")
        return row
    patch = _patch_file(here.folder)
    _say(console, "\nWhere a till forgot to count the pieces, one was sold:")
    _typed(console, f"echo {shlex.quote(patch.read_text().strip())} > {shlex.quote(str(patch))}")
    options = f"--run {run} --fingerprint {kind.fingerprint} --patch {shlex.quote(str(patch))}"
    _typed(console, farandole(here, "dead replay", options, "--yes"))
    chosen = Selection(run=run, fingerprint=kind.fingerprint)
    document = read_patch(patch)
    done, refused = await orders.replay(yard, yard.stages, chosen, patch=(document,), yes=True)
    if refused or not done:
        raise Failed("farandole: not every line could be replayed, see above")
    settled = await _settled(here, settings, row, patience)
    before, now = _dead(row), _dead(settled)
    if now > before - done:
        why = farandole(here, "dead", f"--run {run}")
        raise Failed(f"farandole: mended lines have died again; why says: {why}")
    _say(console, f"The books have settled that: {before:,} dead before, {now:,} now.")
    return settled


async def _settled(here: Here, settings: Settings, before: Row, patience: float) -> Row:
    """The row, once it balances again. Raises Failed."""

    def amended(row: Row) -> bool:
        return row["amended"] > before["amended"] and balanced(row["edges"])

    try:
        async with asyncio.timeout(patience):
            return await first(settings, before["run"], amended)
    except TimeoutError:
        what = farandole(here, "run", before["run"])
        raise Failed(
            f"farandole: what was replayed is not settled after {patience:g} s; "
            f"where it waits says: {what}"
        ) from None


def _forgotten(kind: Group) -> bool:
    return kind.stage == "validate" and kind.title == title(FORGOTTEN) and kind.open > 0


def _dead(row: Row) -> int:
    return sum(edge["dead"] for edge in row["edges"].values())


def _patch_file(folder: Path) -> Path:
    """Written anew, as a person may have edited it; seen from where he is."""
    file = folder / ".farandole" / "one-each.json"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(orjson.dumps(PATCH) + b"\n")
    return Path(os.path.relpath(file))


def _typed(console: Console, command: str) -> None:
    """As a person would have."""
    _say(console, f"$ {command}")


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)
