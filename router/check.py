"""Is a topology file fit to be applied?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from farandole.events.names import Names
from farandole.router import document, form
from farandole.router.document import Document
from farandole.router.finding import Finding, errors, in_order
from farandole.router.form import Form
from farandole.router.lint import lint
from farandole.router.load import load
from farandole.stages.signature import Signature


@dataclass(frozen=True, slots=True)
class Checked:
    """All that is known about a file; fit to be applied only if `fit`."""

    findings: list[Finding]
    document: Document | None = None
    form: Form | None = None
    signatures: dict[str, Signature] = field(default_factory=dict)

    @property
    def fit(self) -> bool:
        """There is a form, and no finding is an error."""
        return self.form is not None and not errors(self.findings)


def check(
    file: Path,
    names: Names,
    folder: Path | None = None,
    *,
    remedy: str = "say where it is with `-C DIR`",
) -> Checked:
    """Read a file, import the functions that it names and lint it all. Raises nothing.

    `folder` is where the functions are; None: where the file is. `remedy` is for a file that
    cannot be read.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        return Checked([unreadable(file, error, remedy)])
    read, findings = document.read(raw, str(file))
    if read is None:
        return Checked(findings)
    written, wrong = form.read(read)
    findings = [*findings, *wrong]
    if written is None:
        return Checked(in_order(findings), read)
    loaded = load(read, written, folder or file.parent)
    linted = lint(read, written, loaded.signatures, names)
    return Checked(
        in_order([*findings, *loaded.findings, *linted]), read, written, loaded.signatures
    )


def unreadable(file: Path, error: OSError, remedy: str) -> Finding:
    """The finding about a file that is not there, or not for us."""
    reason = error.strerror or type(error).__name__
    return Finding(str(file), 1, 1, f"the file cannot be read ({reason})", remedy)
