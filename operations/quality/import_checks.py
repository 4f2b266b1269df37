"""How do the rules of a data contract become checks in a topology file?"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from farandole.events.kafka_names import KafkaNames
from farandole.operations.errors import NotFoundError, RefusedError
from farandole.operations.names import require_known
from farandole.operations.quality.contract_file import read_contract
from farandole.operations.results import Result
from farandole.operations.topology.file_text import FileText, read_file_text, write_file_text
from farandole.operations.topology_source import TopologySource, check_topology, findings_error
from farandole.quality.contracts.contract_checks import ContractObject, contract_objects
from farandole.quality.contracts.found_checks import FoundCheck
from farandole.router.lint_finding import Finding, error_findings
from farandole.router.topology_edits import EditRefusedError, add_checks
from farandole.router.topology_file_check import CheckedFile
from farandole.router.yaml_source import read_yaml


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """A contract, and the topology file that is to have its checks."""

    topology: TopologySource
    contract: Path
    event: str | None = None
    """The event type that the only object of the contract, or the one named `object`, is about;
    None to find each event type by the name of its object, or of its topic."""
    object: str | None = None
    """Only this object of the contract."""
    write: bool = True
    """False if nothing is to be written."""


class ImportedCheck(Result):
    """A check that says what a rule of the contract asks for."""

    event: str
    name: str
    rule: str
    source: str
    """Where the rule stands in the contract."""
    remark: str
    """How the check differs from the rule, or what lint says of it; empty for nothing."""


class LeftOut(Result):
    """A rule of the contract that no check expresses, or that the file cannot take."""

    source: str
    why: str


class ImportResult(Result):
    """What became of the rules of a contract."""

    topology: str
    """The file."""
    written: bool
    checks: list[ImportedCheck]
    left_out: list[LeftOut]
    text: str
    """The whole file with the checks."""


def import_checks(request: ImportRequest, names: KafkaNames) -> ImportResult:
    """Add the checks of a contract to a topology file, whose comments and other lines stay as they
    are. What the file has under the same name stays too. Needs no broker.

    The result is linted: checks that it refuses are left out, with the reason. Raises
    NotFoundError (`unknown_event_type`, `unknown_object`) and RefusedError (`file_unusable`,
    `findings`, `edit_refused`, `file_unwritable`)."""
    source = request.topology
    objects = contract_objects(read_contract(request.contract))
    checked = check_topology(source, names)
    if not checked.is_fit or checked.topology is None:
        raise findings_error(checked.findings)
    file = read_file_text(source.file)
    draft = _Draft(source, names, file, checked)
    for event, obj in _with_events(request, objects, checked, names, draft):
        draft.left_out += [LeftOut(source=each.source, why=each.why) for each in obj.left_out]
        draft.take(event, obj.checks)
    text = draft.linted_text()
    if request.write and draft.checks:
        write_file_text(source.file, file.content_of(text), file.revision)
    return ImportResult(
        topology=str(source.file),
        written=request.write and bool(draft.checks),
        checks=[
            ImportedCheck(
                event=event,
                name=check.name,
                rule=str(check.settings["rule"]),
                source=check.source,
                remark=check.remark,
            )
            for (event, _), check in draft.checks.items()
        ],
        left_out=draft.left_out,
        text=text,
    )


def _with_events(
    request: ImportRequest,
    objects: list[ContractObject],
    checked: CheckedFile,
    names: KafkaNames,
    draft: _Draft,
) -> Iterable[tuple[str, ContractObject]]:
    """Yield the objects that are meant, each with its event type."""
    topology = checked.topology
    assert topology is not None
    known = topology.event_types()
    wanted = objects
    if request.object is not None:
        wanted = [each for each in objects if each.name == request.object]
        if not wanted:
            there = ", ".join(each.name for each in objects) or "none"
            raise NotFoundError(
                "unknown_object",
                f"{request.contract}: there is no object {request.object!r}; there are {there}",
                name=request.object,
            )
    if request.event is not None:
        require_known(request.event, known, "event type", "unknown_event_type")
        if len(wanted) != 1:
            raise RefusedError(
                "file_unusable",
                f"{request.contract}: it has {len(wanted)} objects; name the one that is about"
                f" {request.event}",
                file=str(request.contract),
            )
        yield request.event, wanted[0]
        return
    by_name = {each: each for each in known}
    by_name |= {names.event_topic(topology.pipeline, each): each for each in known}
    for obj in wanted:
        event = by_name.get(obj.physical_name) or by_name.get(obj.name)
        if event is not None:
            yield event, obj
            continue
        number = len(obj.checks) + len(obj.left_out)
        rules = "its rule" if number == 1 else f"its {number} rules"
        draft.left_out.append(
            LeftOut(
                source=obj.name,
                why=f"no event type of the file has that name, for {rules}; say which is meant",
            )
        )


class _Draft:
    """A topology file that gets checks."""

    def __init__(
        self, source: TopologySource, names: KafkaNames, file: FileText, checked: CheckedFile
    ) -> None:
        self._source = source
        self._names = names
        self._file = file
        self._known_findings = {finding.message for finding in checked.findings}
        assert checked.document is not None
        events = checked.document.data.get("events") or {}
        self._there = {
            (event, name) for event, settings in events.items() if isinstance(settings, Mapping)
            for name in settings.get("checks") or ()
        }  # fmt: skip
        self.checks: dict[tuple[str, str], FoundCheck] = {}
        """By event type and name."""
        self.left_out: list[LeftOut] = []

    def take(self, event: str, checks: Iterable[FoundCheck]) -> None:
        """Take the checks of an event that the file does not have yet."""
        for check in checks:
            if (event, check.name) in self._there:
                why = f"{event} has a check {check.name} already, which stays"
                self.left_out.append(LeftOut(source=check.source, why=why))
            else:
                self._there.add((event, check.name))
                self.checks[event, check.name] = check

    def linted_text(self) -> str:
        """Return the text of the file with those of the checks that lint accepts. What it says of
        the others becomes the reason why they are left out. Raises RefusedError."""
        text = self._text()
        for finding, key in self._findings(text):
            check = self.checks.get(key) if key is not None else None
            if key is None or check is None:
                continue
            if finding.severity == "warning":
                remark = "; ".join(filter(None, (check.remark, finding.message)))
                self.checks[key] = check._replace(remark=remark)
            else:
                del self.checks[key]
                self.left_out.append(LeftOut(source=check.source, why=finding.message))
        text = self._text()
        findings = error_findings(finding for finding, _ in self._findings(text))
        if findings:
            raise findings_error(findings)
        return text

    def _text(self) -> str:
        text = self._file.text
        for event in dict.fromkeys(event for event, _ in self.checks):
            added = {
                name: check.settings for (of, name), check in self.checks.items() if of == event
            }
            try:
                text = add_checks(text, event, added)
            except EditRefusedError as error:
                raise RefusedError("edit_refused", f"{self._file.file}: {error}") from None
        return text

    def _findings(self, text: str) -> list[tuple[Finding, tuple[str, str] | None]]:
        """Return what lint says of a text and did not say before, each with the check that it is
        about; None if it is about no check."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / self._source.file.name
            file.write_text(text)
            here = self._source.folder or self._source.file.parent
            checked = check_topology(TopologySource(file, here, self._source.remedy), self._names)
        document, _ = read_yaml(text.encode(), str(self._source.file))
        places = {} if document is None else document.keys
        by_line = {
            places["events", event, "checks", name].line: (event, name)
            for event, name in self.checks
            if ("events", event, "checks", name) in places
        }
        return [
            (finding, by_line.get(finding.line))
            for finding in checked.findings
            if finding.message not in self._known_findings
        ]
