"""What does a finding about a topology file consist of?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong at `line` and `column`, both counted from 1."""

    file: str
    line: int
    column: int
    message: str
    remedy: str
    severity: Severity = "error"
    code: str = ""
    """The rule that found it, for programs; for example `cycles`."""

    def __str__(self) -> str:
        prefix = "warning: " if self.severity == "warning" else ""
        return f"{self.file}:{self.line}:{self.column}: {prefix}{self.message}; {self.remedy}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def with_code(findings: Iterable[Finding], code: str) -> list[Finding]:
    """Return the findings with this code."""
    return [replace(finding, code=code) for finding in findings]


def sorted_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings by line and column, each once."""
    return sorted(set(findings), key=lambda f: (f.line, f.column, f.message))


def error_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are errors, not warnings."""
    return [finding for finding in findings if finding.severity == "error"]
