"""Do the books say what the topics hold?"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import click

from farandole.cli.context import CliContext, run_async
from farandole.cli.options import json_option
from farandole.cli.output import print_json, print_line
from farandole.cli.rendering.errors import CommandError

if TYPE_CHECKING:
    from aiokafka import TopicPartition

    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.broker.settings import Settings
    from farandole.catalog.published_versions import VersionsByNumber
    from farandole.events.record import Record
    from farandole.ledger.audit_comparison import AuditCell, AuditEdge, EdgeSums, RetentionLoss

_MAX_EXAMINED_EDGES = 100  # differing edges that are looked into
_MAX_HELD_IDS = 1_000_000  # ids that are held for it
_EXIT_UNVERIFIABLE = 2


@click.command()
@click.argument("run_id", metavar="[RUN]", required=False)
@json_option
@click.pass_obj
def audit(context: CliContext, run_id: str | None, as_json: bool) -> None:
    """Compare the entries of the books with what the topics hold, of all runs or of RUN, and the
    rows of the runs with what their entries fold into.

    All is read anew, at read_committed: of each event type what was emitted, and of each stage
    what it has consumed up to its committed offset. Exit 1: something differs. Exit 2: retention
    has taken what would tell.
    """
    context.configure_logs()
    run_async(_audit(context, run_id, as_json))


async def _audit(context: CliContext, run_id: str | None, as_json: bool) -> None:
    from farandole.broker.cluster_admin import ClusterAdmin
    from farandole.catalog.published_versions import read_versions
    from farandole.ledger.audit_comparison import (
        differing_cells,
        explain_difference,
        remove_run_weight,
        run_group,
    )
    from farandole.operations.audit.run_row_audit import RunRowAudit

    settings = await context.connect()
    versions = await read_versions(settings, await context.pipeline(settings))
    began = _now() - 1000 * settings.transaction_timeout
    async with ClusterAdmin.open(settings) as admin:
        reading = _AuditReader(settings, admin, versions, began)
        await reading.prepare()

        def only(name: str) -> Hashable | None:
            return name if name == run_id else None

        topics, books = await reading.sums(run_group if run_id is None else only)
        events = topics.events()
        cells = differing_cells(topics, books)
        if run_id is None and cells:
            groups = {group for group, _ in cells}
            topics, books = await reading.sums(lambda n: n if run_group(n) in groups else None)
            cells = differing_cells(topics, books)
        if run_id is not None and not [*topics, *books]:
            raise CommandError(f"farandole: neither the books nor the topics know a run {run_id!r}")
        at_work = [cell for cell in cells if cell[0] in reading.at_work]
        cells = [cell for cell in cells if cell[0] not in reading.at_work]
        hashes = await reading.ids(cells[:_MAX_EXAMINED_EDGES]) if cells else {}
    faults: list[dict[str, Any]] = []
    unsure: list[str] = []
    rows = RunRowAudit(settings, next(iter(versions.values())).pipeline, reading.gone.books)
    await rows.compare(run_id)
    for index, (name, edge) in enumerate(cells):
        ours, theirs = topics[name, edge], books[name, edge]
        why = reading.gone.excuses(edge, ours, theirs)
        if why is not None:
            unsure.append(f"{name}: {edge}: {why}")
            continue
        fault: dict[str, Any] = {
            "run": name,
            "edge": str(edge),
            "topics": ours.n,
            "books": theirs.n,
        }
        if index < _MAX_EXAMINED_EDGES:
            by = remove_run_weight(ours.hash - theirs.hash, str(name))
            found = explain_difference(ours.n - theirs.n, by, hashes.get((name, edge), {}))
            if found is not None:
                fault |= {"missing_in_books": found[0], "missing_in_topics": found[1]}
        faults.append(fault)
    told = {
        "events": events,
        "faults": faults,
        "rows": rows.faults,
        "unverifiable": unsure + rows.unsure,
        "at_work": len({name for name, _ in at_work}),
        "ahead": rows.ahead,
    }
    if as_json:
        print_json(told)
    else:
        _print_audit(told)
    if faults or rows.faults:
        raise click.exceptions.Exit(1)
    if told["unverifiable"]:
        raise click.exceptions.Exit(_EXIT_UNVERIFIABLE)


def _print_audit(told: dict[str, Any]) -> None:
    from farandole.events.safe_text import single_line

    for fault in told["faults"]:
        said = (
            f"{fault['run']}: {fault['edge']}: the topics hold {fault['topics']:,}, the books say "
            f"{fault['books']:,}"
        )
        for kind in ("missing_in_books", "missing_in_topics"):
            if fault.get(kind):
                said += f"; {kind.replace('_', ' ')}, or there twice: {', '.join(fault[kind])}"
        print_line(single_line(said))
    for fault in told["rows"]:
        print_line(single_line(f"{fault['run']}: {fault['why']}"))
    for line in told["unverifiable"]:
        print_line(single_line(line))
    if told["at_work"]:
        print_line(f"{told['at_work']:,} runs are at work at this moment: look again at them later")
    if told["ahead"]:
        print_line(
            f"{told['ahead']:,} runs have entries that are not in their rows yet: "
            "farandole keep-books adds them"
        )
    word = "differ" if told["faults"] else "agree"
    print_line(
        f"books and topics {word}: {told['events']:,} emitted events, and what consumed them"
    )
    if told["rows"]:
        print_line("rows and entries differ")


def _now() -> int:
    return int(time.time() * 1000)


class _AuditReader:
    def __init__(
        self, settings: Settings, admin: ClusterAdmin, versions: VersionsByNumber, began: float
    ) -> None:
        from farandole.catalog.ownership import VersionIndex
        from farandole.ledger.audit_comparison import RetentionLoss

        self._settings = settings
        self._admin = admin
        self._versions = versions
        self._began = began
        self._index = VersionIndex(versions.values())
        self._pipeline = versions[max(versions)].pipeline
        self._topics = sorted({e.topic for v in versions.values() for e in v.events.values()})
        self._emits: dict[str | None, set[str]] = {}
        for name, stage in ((n, s) for v in versions.values() for n, s in v.stages.items()):
            self._emits.setdefault(name, set()).update(stage.emits)
        self._consumed: dict[tuple[str, str, int], int] = {}
        self.gone: RetentionLoss = RetentionLoss()
        self.at_work: set[Hashable] = set()

    async def prepare(self) -> None:
        """Offsets first: what was committed before we read, the books that we read hold."""
        from aiokafka import TopicPartition

        from farandole.ledger.audit_comparison import RetentionLoss

        existing = await self._admin.topics()
        names = self._settings.names
        tps = [TopicPartition(t, i) for t in self._topics for i in range(existing.get(t, 0))]
        for stage in {s for v in self._versions.values() for s in v.stages}:
            done = await self._admin.committed(names.stage_group(self._pipeline, stage), tps)
            for tp, at in done.items():
                self._consumed[stage, tp.topic, tp.partition] = at.offset if at else 0
        types = {e.topic: t for v in self._versions.values() for t, e in v.events.items()}
        taken: dict[str, int] = {}
        for tp, at in (await self._taken(tps)).items():
            taken[types[tp.topic]] = max(at, taken.get(types[tp.topic], -1))
        ledger = [
            TopicPartition(names.ledger_topic, i)
            for i in range(existing.get(names.ledger_topic, 0))
        ]
        of_books = await self._taken(ledger)
        self.gone = RetentionLoss(taken, max(of_books.values()) if of_books else None)

    async def _taken(self, tps: list[TopicPartition]) -> dict[TopicPartition, int]:
        """Where retention has been, the time up to which it may have taken: that of the first
        record that is left, and what clocks and transactions may differ by."""
        from farandole.broker.topic_reader import scan

        found = {}
        for tp, first in (await self._admin.start_offsets(tps)).items():
            if not first:
                continue
            found[tp] = _now()
            start = {tp: first}
            async with aclosing(scan(self._settings, [tp.topic], start=start)) as batches:  # type: ignore[type-var]  # it is one
                async for records in batches:
                    found[tp] = records[0].timestamp + int(
                        1000 * self._settings.transaction_timeout
                    )
                    break
        return found

    async def sums(self, group: Callable[[str], Hashable | None]) -> tuple[EdgeSums, EdgeSums]:
        """What the topics hold, then what the books say."""
        from farandole.broker.topic_reader import scan
        from farandole.ledger import entry_validation
        from farandole.ledger.audit_comparison import EdgeSums, add_entry_sums

        topics, books = EdgeSums(group), EdgeSums(group)

        def counted(name: str, edge: AuditEdge, hash_: int, _: str, record: Record) -> None:
            topics.add(name, edge, 1, hash_, record.timestamp)

        await self._each(counted)
        async for records in scan(self._settings, [self._settings.names.ledger_topic]):
            for record in records:
                entry = entry_validation.parse_entry(record.value)
                if entry is None or entry["pipeline"] != self._pipeline:
                    continue
                add_entry_sums(books, entry)
                if entry["at"] >= self._began and len(self.at_work) < _MAX_HELD_IDS:
                    runs = (group(part["run"]) for part in entry["runs"])
                    self.at_work |= {each for each in runs if isinstance(each, str)}
        return topics, books

    async def ids(self, cells: list[AuditCell]) -> dict[AuditCell, dict[int, str]]:
        """By edge, the ids by their hashes: of what is there, and of what might have been (the
        first result of each event that a stage has consumed)."""
        from xxhash import xxh3_64_intdigest

        from farandole.ledger.audit_comparison import AuditEdge

        wanted = set(cells)
        runs = {name for name, _ in cells}
        found: dict[AuditCell, dict[int, str]] = {cell: {} for cell in cells}
        held = 0

        def kept(name: str, edge: AuditEdge, hash_: int, said: str, record: Record) -> None:
            nonlocal held
            if name not in runs or held >= _MAX_HELD_IDS:
                return
            if (name, edge) in wanted:
                found[name, edge][hash_] = said
                held += 1
            for given in self._emits.get(edge.stage, ()):
                cell = name, AuditEdge(given, None)
                if cell in wanted:
                    might = f"{edge.event_type}/{record.partition}/{record.offset}/0"
                    found[cell][xxh3_64_intdigest(might.encode())] = might
                    held += 1

        await self._each(kept)
        return found

    async def _each(self, told: Callable[[str, AuditEdge, int, str, Record], None]) -> None:
        """Run, edge, hash, id and record of each event at each edge: emitted, and consumed by each
        stage that has come past it."""
        from xxhash import xxh3_64_intdigest

        from farandole.broker.topic_reader import scan
        from farandole.ledger.audit_comparison import AuditEdge

        async for records in scan(self._settings, self._topics):
            for record in records:
                owner = self._index.owner_of(record)
                assert owner is not None  # only topics of published versions are read
                if not owner.version.ledger or self._index.is_forwarded(record, owner):
                    continue  # what was forwarded stands in its own partition too
                run, event_type = self._index.run_of(record, owner), owner.event_type
                name = run.decode(errors="replace")
                event_id = run
                if owner.stage is not None:
                    event_id = dict(record.headers).get("ce_id") or b""
                hash_, text = (
                    xxh3_64_intdigest(event_id),
                    event_id.decode(errors="backslashreplace"),
                )
                if owner.stage is not None:
                    told(name, AuditEdge(event_type, None), hash_, text, record)
                for stage in owner.version.subscribers(event_type):
                    past = self._consumed.get((stage, record.topic, record.partition), 0)
                    if record.offset < past:
                        told(name, AuditEdge(event_type, stage), hash_, text, record)
