"""How does a running pipeline follow its file: what is done at each save?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog
from watchfiles import awatch

from farandole.broker.backoff import Backoff
from farandole.broker.broker_errors import (
    BrokerError,
    DeadlineExceededError,
    TopicMismatchError,
    UnreachableError,
)
from farandole.broker.settings import Settings
from farandole.events.topology_version import RouterReport
from farandole.router import yaml_source
from farandole.router.change_plan import ChangePlan
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.guarded_apply import apply_plan, cleared_report, standing_rollback_reason
from farandole.router.isolated_check import CheckVerdict
from farandole.router.lint_finding import error_findings
from farandole.router.reason_text import change_summary, render_reason
from farandole.router.topology_store import NotAppliedError, read_topology, write_report
from farandole.router.yaml_source import YamlDocument

log = structlog.get_logger()

FILE_SUFFIXES = (".yaml", ".yml")
_DEBOUNCE_MS = (
    400  # milliseconds at most that saves are gathered; an editor writes in several steps
)
_STEP_MS = 30  # milliseconds without another one after which they are acted upon
_RETRY_BACKOFF = Backoff(first=1.0, longest=10.0)  # while Kafka is away


class RouterEnvironment(Protocol):
    """What a router needs of the process that it runs in."""

    async def connect(self) -> Settings:
        """Return the settings of a Kafka that answers. Raises BrokerError."""

    async def check_file(self, file: Path) -> CheckVerdict:
        """Return whether a file is fit to be applied, and what it stands for. Raises nothing."""

    async def prepare_next_check(self) -> None:
        """Prepare the next check: nothing else is to be done now."""

    def allow_command(self, file: Path, dangers: Sequence[str]) -> str:
        """Return the command with which a person applies a dangerous file."""

    @property
    def author(self) -> str:
        """Who applies the files, for people."""


async def follow_files(
    paths: Sequence[Path], environment: RouterEnvironment, stopping: asyncio.Event
) -> None:
    """Apply what is safe of each file at its start and at each save, until `stopping` is set.

    A path is a file, or a folder whose `*.yaml` and `*.yml` are pipelines side by side. A file that
    is not fit changes nothing and is reported, in the log and in `farandole.topology`; so is what
    is dangerous, which waits for a person. While Kafka is away the files wait for it.
    """
    watching = _WatchedFiles(list(paths))
    router = _FileRouter(environment, watching.files)
    waiting = {file: _PendingFile(file, start=True) for file in watching.changed_files() or ()}
    saved = asyncio.Event()

    async def watch() -> None:
        async for _ in awatch(
            *watching.folders(),
            watch_filter=None,
            debounce=_DEBOUNCE_MS,
            step=_STEP_MS,
            stop_event=stopping,
            recursive=False,
        ):
            changed = watching.changed_files()
            if changed is None:
                continue
            for file in [*changed, *router.duplicates]:
                waiting[file] = _PendingFile(file)
            saved.set()

    watcher = asyncio.create_task(watch())
    stop = asyncio.create_task(stopping.wait())
    try:
        log.info("route.watching", paths=[str(path) for path in paths])
        failures = 0  # passes in a row after which a file has to be tried again
        while not stopping.is_set():
            saved.clear()
            again = await _handle_pending(router, waiting, stopping)
            failures = failures + 1 if again else 0
            if not waiting:
                await environment.prepare_next_check()
            one = asyncio.create_task(saved.wait())
            await asyncio.wait(
                {one, stop, watcher},
                timeout=_RETRY_BACKOFF.longest_delay(failures) if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            one.cancel()
            if watcher.done():
                watcher.result()  # what cannot be watched is an error
                return
    finally:
        stop.cancel()
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


@dataclass(slots=True)
class _PendingFile:
    """A file that is to be looked at."""

    file: Path
    start: bool = False
    """The router has just begun: nobody has saved it."""
    verdict: CheckVerdict | None = None
    """Kept while Kafka is away."""
    last_error: str = ""
    """Why Kafka refused it the last time; empty if it did not."""


async def _handle_pending(
    router: _FileRouter, waiting: dict[Path, _PendingFile], stopping: asyncio.Event
) -> bool:
    """Handle what waits; whether some of it is to be tried again."""
    again = False
    for file, pending in list(waiting.items()):
        if stopping.is_set():
            return False
        try:
            await router.handle(pending)
        except (UnreachableError, DeadlineExceededError) as error:
            router.log_unreachable(error)
            return True
        except (BrokerError, NotAppliedError) as error:
            # Its own trouble: it must not keep the other pipelines from following their files.
            if str(error) != pending.last_error:
                log.warning("route.retrying", file=str(file), why=str(error))
            pending.last_error, again = str(error), True
            continue
        if waiting.get(file) is pending:  # else it has been saved again meanwhile
            del waiting[file]
    router.log_reachable()
    return again


@dataclass(slots=True)
class _WatchedFiles:
    """Which files there are, and which of them have been saved since we last looked."""

    paths: list[Path]
    seen: dict[Path, tuple[int, ...]] = field(default_factory=dict)

    def folders(self) -> list[Path]:
        """A file that is replaced by another of its name is seen in its folder alone."""
        return list(dict.fromkeys(p if p.is_dir() else p.absolute().parent for p in self.paths))

    def files(self) -> list[Path]:
        found: list[Path] = []
        for path in self.paths:
            if path.is_dir():
                found += sorted(
                    f for f in path.iterdir() if f.suffix in FILE_SUFFIXES and f.is_file()
                )
            else:
                found.append(path)
        return list(dict.fromkeys(found))

    def changed_files(self) -> list[Path] | None:
        """Those that are not as they were; None where nothing is new. One that is gone from a
        folder is no pipeline any more, and what it has published stays."""
        now = {file: _file_stamp(file) for file in self.files()}
        changed = [file for file, stamp in now.items() if self.seen.get(file) != stamp]
        gone = self.seen.keys() - now.keys()
        for file in gone:
            log.warning("route.gone", file=str(file), remedy="its pipeline goes on as it is")
        self.seen = now
        return changed if changed or gone else None


def _file_stamp(file: Path) -> tuple[int, ...]:
    """What differs after each save, also of a link to elsewhere."""
    try:
        stat = file.stat()
    except OSError:
        return ()
    return (stat.st_mtime_ns, stat.st_ino, stat.st_size)


@dataclass(slots=True)
class _FileRouter:
    environment: RouterEnvironment
    files: Callable[[], list[Path]]
    duplicates: set[Path] = field(default_factory=set)
    """Files that wait for another one to be given a pipeline name of its own."""
    unreachable: bool = False
    named: dict[Path, str] = field(default_factory=dict)
    """The pipeline of each file, when it could last be read."""

    async def handle(self, pending: _PendingFile) -> None:
        """Do what one file asks for. Raises BrokerError, NotAppliedError."""
        file = pending.file
        if file not in self.files():  # deleted from its folder: that is said where it is seen
            self.duplicates.discard(file)
            return
        if pending.verdict is None:
            verdict = self._duplicate_verdict(file) or await self.environment.check_file(file)
            if file not in self.files():  # deleted meanwhile
                return
            pending.verdict = verdict
            self._log(file, verdict)
        pipeline = _pipeline_name_of(file)[0] or self.named.get(file)
        if pipeline is None:
            return  # nobody could look for a report of it
        self.named[file] = pipeline
        derived = pending.verdict.derived
        wrong = [str(finding) for finding in error_findings(pending.verdict.findings)]
        settings = await self.environment.connect()
        if derived is None:
            place = Path(
                pending.verdict.findings[0].file
            )  # in another file, where two say the same
            await self._report(settings, pipeline, place, findings=wrong)
            return
        try:
            plan = await plan_changes(settings, derived)
        except TopicMismatchError as error:
            log.error("route.refused", file=str(file), finding=str(error))
            await self._report(settings, pipeline, file, findings=[f"{file}: {error}"])
            return
        if pending.start and plan.publishes:
            reason = await standing_rollback_reason(settings, plan)
            if reason is not None:
                text = render_reason(reason)
                log.warning("route.waiting", file=str(file), why=text)
                await self._report(settings, pipeline, file, waiting=[text])
                return
        await self._follow(settings, file, plan)

    async def _follow(self, settings: Settings, file: Path, plan: ChangePlan) -> None:
        pipeline = plan.derived.pipeline
        dangerous = [str(change) for change in plan.not_allowed(())]
        if dangerous:
            allow = self.environment.allow_command(file, plan.dangers)
            log.warning("route.waiting", file=str(file), changes=dangerous, allow=allow)
            said = [*dangerous, f"to apply it: {allow}"]
            await self._report(settings, pipeline, file, waiting=said)
            return
        if not plan.publishes and not plan.changes:
            log.info("route.unchanged", file=str(file), version=f"{pipeline}@{plan.newest}")
        else:
            applied = await apply_plan(settings, plan, self.environment.author)
            log.info(
                "route.applied",
                file=str(file),
                version=applied.version.name,
                changes=change_summary(plan.changes),
            )
        await self._report(settings, pipeline, file)

    async def _report(
        self,
        settings: Settings,
        pipeline: str,
        file: Path,
        findings: Sequence[str] = (),
        waiting: Sequence[str] = (),
    ) -> None:
        """Tell `farandole status` what there is to be said, if it has not been said."""
        before = (await read_topology(settings)).reports.get(pipeline)
        now = RouterReport(
            pipeline=pipeline,
            reported=datetime.now(UTC),
            reported_by=self.environment.author,
            file=str(file),
            findings=tuple(findings),
            waiting=tuple(waiting),
        )
        if before is None and not findings and not waiting:
            return
        if before is None or _report_content(before) != _report_content(now):
            await write_report(
                settings,
                now if findings or waiting else cleared_report(now, self.environment.author),
            )

    def _duplicate_verdict(self, file: Path) -> CheckVerdict | None:
        """The one finding about two files of one pipeline; it stands in the second."""
        name, _ = _pipeline_name_of(file)
        same = [
            other for other in self.files() if other == file or _pipeline_name_of(other)[0] == name
        ]
        if name is None or len(same) < 2:
            self.duplicates.discard(file)
            return None
        self.duplicates |= set(same)
        # The same finding for both: which of them is meant, nobody knows.
        first, second = sorted(same)[:2]
        _, read_ = _pipeline_name_of(second)
        assert read_ is not None
        finding = read_.finding(
            ("pipeline",),
            f"the pipeline {name!r} stands in {first} too",
            "give one of the two another name, or delete it",
        )
        return CheckVerdict((finding,))

    def _log(self, file: Path, verdict: CheckVerdict) -> None:
        for finding in verdict.findings:
            if finding.file != str(file):
                continue  # it is said where it stands
            if verdict.derived is None and finding.severity == "error":
                log.error("route.refused", file=str(file), finding=str(finding))
            else:
                log.warning("route.warned", file=str(file), finding=str(finding))

    def log_unreachable(self, error: Exception) -> None:
        """Once, however long it lasts."""
        if not self.unreachable:
            log.warning("route.retrying", why=str(error))
        self.unreachable = True

    def log_reachable(self) -> None:
        if self.unreachable:
            log.info("route.goes_on")
        self.unreachable = False


def _report_content(said: RouterReport) -> tuple[object, ...]:
    return said.file, said.findings, said.waiting


def _pipeline_name_of(file: Path) -> tuple[str | None, YamlDocument | None]:
    """The pipeline's name, whatever else is wrong with the file."""
    try:
        found, _ = yaml_source.read_yaml(file.read_bytes(), str(file))
    except OSError:
        return None, None
    name = found.data.get("pipeline") if found else None
    return (name if isinstance(name, str) else None), found
