"""What do the checks of a topology file look at?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farandole.events.names import Names
from farandole.router.document import Document, Path
from farandole.router.finding import Finding, Severity
from farandole.router.form import Form, place
from farandole.stages.signature import Signature


@dataclass(frozen=True, slots=True)
class Case:
    document: Document
    form: Form
    signatures: Mapping[str, Signature]
    """Of the stages whose function could be read; the others have findings already."""
    names: Names

    def finding(
        self,
        path: Path,
        message: str,
        remedy: str,
        *,
        on_key: bool = False,
        severity: Severity = "error",
    ) -> Finding:
        """A finding at a path of the form."""
        there = place(self.document, path)
        if path[2:3] == ("subscribes",) and len(path) == 4:
            on_key = len(there) > 3 and isinstance(there[-1], str)  # in a mapping it is a key
        return self.document.finding(there, message, remedy, on_key=on_key, severity=severity)
