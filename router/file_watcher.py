"""What does a router do at each save of a pipeline's file, or of the code of one it refuses?"""

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
from farandole.events.row_format import NewerFormatError
from farandole.events.topology_version import RouterReport, Version
from farandole.router import yaml_source
from farandole.router.change_plan import ChangePlan
from farandole.router.cluster_snapshot import plan_changes
from farandole.router.guarded_apply import apply_plan, cleared_report, standing_rollback_reason
from farandole.router.isolated_check import CheckVerdict
from farandole.router.lint_finding import error_findings
from farandole.router.pipeline_cycles import DependencyCycleError
from farandole.router.reason_text import change_summary, render_reason
from farandole.router.topology_store import NotAppliedError, read_topology, write_report
from farandole.router.watched_files import CodeStamp, WatchedFiles, code_stamp
from farandole.router.yaml_source import YamlDocument

log = structlog.get_logger()

_DEBOUNCE_MS = (
    400  # milliseconds at most that saves are gathered; an editor writes in several steps
)
_STEP_MS = 30  # milliseconds without another save, after which the files are handled
_LOOK_AGAIN_MS = 2_000  # milliseconds between two looks at the code of files that are refused
_RETRY_BACKOFF = Backoff(first=1.0, longest=10.0)  # while Kafka is away


class RouterEnvironment(Protocol):
    """The functions of the process that a router needs."""

    async def connect(self) -> Settings:
        """Return the settings of a Kafka that answers. Raises BrokerError."""

    async def check_file(self, file: Path) -> CheckVerdict:
        """Return whether a file is fit to be applied, and the topology that it describes. Raises
        nothing."""

    async def prepare_next_check(self) -> None:
        """Prepare the next check: nothing else is to be done now."""

    async def record_applied(
        self, settings: Settings, file: Path, plan: ChangePlan, version: Version
    ) -> None:
        """Record for people that a file was applied. Raises nothing."""

    def allow_command(self, file: Path, dangers: Sequence[str]) -> str:
        """Return the command with which a person applies a dangerous file."""

    @property
    def code_folder(self) -> Path:
        """Return the folder that functions are imported from."""

    @property
    def author(self) -> str:
        """Return who applies the files, for people."""


async def follow_files(
    paths: Sequence[Path], environment: RouterEnvironment, stopping: asyncio.Event
) -> None:
    """Apply each file at the start and at each save, if that is safe, until `stopping` is set.

    A path is a file, or a folder whose `*.yaml` and `*.yml` files are one pipeline each. A file
    with errors changes nothing and is reported, in the log and in `farandole.topology`; it is
    checked again when Python files of the code are saved. Dangerous changes are reported too, and
    wait for a person. While Kafka does not answer, the files wait.
    """
    watching = WatchedFiles(list(paths))
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
            rust_timeout=_LOOK_AGAIN_MS,
            yield_on_timeout=True,
        ):
            changed = watching.changed_files()
            again = [*changed, *router.duplicates] if changed is not None else []
            again += await router.refused_with_other_code()
            for file in again:
                waiting[file] = _PendingFile(file)
            if again or changed is not None:
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
            next_save = asyncio.create_task(saved.wait())
            await asyncio.wait(
                {next_save, stop, watcher},
                timeout=_RETRY_BACKOFF.longest_delay(failures) if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            next_save.cancel()
            if watcher.done():
                watcher.result()  # raises if a path cannot be watched
                return
    finally:
        stop.cancel()
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


@dataclass(slots=True)
class _PendingFile:
    """A file that is to be checked and applied."""

    file: Path
    start: bool = False
    """True if the router has just started, so that nobody has saved the file since."""
    verdict: CheckVerdict | None = None
    """The result of the check; kept while Kafka does not answer."""
    last_error: str = ""
    """Why Kafka refused it the last time; empty if it did not."""


async def _handle_pending(
    router: _FileRouter, waiting: dict[Path, _PendingFile], stopping: asyncio.Event
) -> bool:
    """Handle the pending files. Return True if some of them must be tried again."""
    again = False
    for file, pending in list(waiting.items()):
        if stopping.is_set():
            return False
        try:
            await router.handle(pending)
        except (UnreachableError, DeadlineExceededError) as error:
            router.log_unreachable(error)
            return True
        except (BrokerError, NotAppliedError, NewerFormatError) as error:
            # Only this file has a problem: the other files are still handled.
            if str(error) != pending.last_error:
                log.warning("route.retrying", file=str(file), why=str(error))
            pending.last_error, again = str(error), True
            continue
        if waiting.get(file) is pending:  # otherwise it was saved again meanwhile
            del waiting[file]
    router.log_reachable()
    return again


@dataclass(slots=True)
class _FileRouter:
    environment: RouterEnvironment
    files: Callable[[], list[Path]]
    duplicates: set[Path] = field(default_factory=set)
    """Files that name the pipeline of another file: they wait until one of the two is changed."""
    unreachable: bool = False
    named: dict[Path, str] = field(default_factory=dict)
    """The pipeline that each file named when it could last be read."""
    refused: dict[Path, CodeStamp] = field(default_factory=dict)
    """The files with errors, with the code of which each was checked."""

    async def refused_with_other_code(self) -> list[Path]:
        """Return the files that were refused and whose code has been saved since. Each is returned
        once."""
        if not self.refused:
            return []
        now = await asyncio.to_thread(code_stamp, self.environment.code_folder)
        changed = [file for file, stamp in self.refused.items() if stamp != now]
        for file in changed:
            del self.refused[file]
        return changed

    async def handle(self, pending: _PendingFile) -> None:
        """Check one file and apply it if that is safe. Raises BrokerError, NotAppliedError."""
        file = pending.file
        if (
            file not in self.files()
        ):  # deleted from its folder, which was logged when it was noticed
            self.duplicates.discard(file)
            return
        if pending.verdict is None:
            verdict = self._duplicate_verdict(file) or await self._check(file)
            if file not in self.files():  # deleted meanwhile
                return
            pending.verdict = verdict
            self._log(file, verdict)
        pipeline = _pipeline_name_of(file)[0] or self.named.get(file)
        if pipeline is None:
            return  # a report needs the name of a pipeline
        self.named[file] = pipeline
        derived = pending.verdict.derived
        errors = [str(finding) for finding in error_findings(pending.verdict.findings)]
        settings = await self.environment.connect()
        if derived is None:
            # A duplicate is reported in the second of the two files.
            place = Path(pending.verdict.findings[0].file)
            await self._report(settings, pipeline, place, findings=errors)
            return
        try:
            plan = await plan_changes(settings, derived)
        except (TopicMismatchError, DependencyCycleError) as error:
            finding = f"{file}: {error}"
            log.error("route.refused", finding=finding)
            await self._report(settings, pipeline, file, findings=[finding])
            return
        if pending.start and plan.publishes:
            reason = await standing_rollback_reason(settings, plan)
            if reason is not None:
                text = render_reason(reason)
                log.warning("route.waiting", file=str(file), why=text)
                await self._report(settings, pipeline, file, waiting=[text])
                return
        await self._follow(settings, file, plan)

    async def _check(self, file: Path) -> CheckVerdict:
        """Check a file, and remember with which code if it is refused."""
        self.refused.pop(file, None)
        # Read first: what is saved during the check counts as a change.
        stamp = await asyncio.to_thread(code_stamp, self.environment.code_folder)
        verdict = await self.environment.check_file(file)
        if verdict.derived is None:
            self.refused[file] = stamp
        return verdict

    async def _follow(self, settings: Settings, file: Path, plan: ChangePlan) -> None:
        pipeline = plan.derived.pipeline
        dangerous = [str(change) for change in plan.not_allowed(())]
        if dangerous:
            allow = self.environment.allow_command(file, plan.dangers)
            log.warning("route.waiting", file=str(file), changes=dangerous, allow=allow)
            waiting = [*dangerous, f"to apply it: {allow}"]
            await self._report(settings, pipeline, file, waiting=waiting)
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
            await self.environment.record_applied(settings, file, plan, applied.version)
        await self._report(settings, pipeline, file)

    async def _report(
        self,
        settings: Settings,
        pipeline: str,
        file: Path,
        findings: Sequence[str] = (),
        waiting: Sequence[str] = (),
    ) -> None:
        """Write a report for `farandole status`, unless it would repeat the one before."""
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
        """Return the finding about two files that name the same pipeline, None if there is no
        other. The finding is in the second file."""
        name, _ = _pipeline_name_of(file)
        same = [
            other for other in self.files() if other == file or _pipeline_name_of(other)[0] == name
        ]
        if name is None or len(same) < 2:
            self.duplicates.discard(file)
            return None
        self.duplicates |= set(same)
        # Both get the same finding: it is not known which of them is meant.
        first, second = sorted(same)[:2]
        _, document = _pipeline_name_of(second)
        assert document is not None
        finding = document.finding(
            ("pipeline",),
            f"the pipeline {name!r} stands in {first} too",
            "give one of the two another name, or delete it",
        )
        return CheckVerdict((finding,))

    def _log(self, file: Path, verdict: CheckVerdict) -> None:
        for finding in verdict.findings:
            if finding.file != str(file):
                continue  # it is logged for its own file
            if verdict.derived is None and finding.severity == "error":
                log.error("route.refused", finding=str(finding))
            else:
                log.warning("route.warned", finding=str(finding))

    def log_unreachable(self, error: Exception) -> None:
        """Log that Kafka does not answer, once until it answers again."""
        if not self.unreachable:
            log.warning("route.retrying", why=str(error))
        self.unreachable = True

    def log_reachable(self) -> None:
        """Log that Kafka answers again, if it did not."""
        if self.unreachable:
            log.info("route.goes_on")
        self.unreachable = False


def _report_content(report: RouterReport) -> tuple[object, ...]:
    return report.file, report.findings, report.waiting


def _pipeline_name_of(file: Path) -> tuple[str | None, YamlDocument | None]:
    """Return the pipeline's name, None if it cannot be read, and the document."""
    try:
        document, _ = yaml_source.read_yaml(file.read_bytes(), str(file))
    except OSError:
        return None, None
    name = document.data.get("pipeline") if document else None
    return (name if isinstance(name, str) else None), document
