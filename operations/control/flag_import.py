"""How are the flags of another system set in a running pipeline?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farandole.events.control_documents import serialize_control
from farandole.events.json_text import parse_json
from farandole.operations.control.control_publisher import keys_about, publish_control
from farandole.operations.control.control_query import read_control_state
from farandole.operations.errors import InvalidRequestError, operation
from farandole.operations.flags.flagd_format import read_flagd_file
from farandole.operations.installation import Installation
from farandole.operations.recorded import recorded
from farandole.operations.results import Result
from farandole.operations.topology_source import findings_error


@dataclass(frozen=True, slots=True)
class ImportFlagsRequest:
    """A file in flagd's format, and who asks for it."""

    file: Path
    by: str
    dry_run: bool = False
    """Return the documents without writing them."""


class ImportFlagsResult(Result):
    """The documents, in the order of the file."""

    written: bool
    documents: list[dict[str, Any]]


@operation
@recorded("flag import", lambda request: request.file.name)
async def import_flags(
    installation: Installation, request: ImportFlagsRequest
) -> ImportFlagsResult:
    """Write a document for each flag of a file, or none if one of them cannot be said. Raises
    InvalidRequestError, NotFoundError (`nothing_applied`), RefusedError (`findings`) and
    UnavailableError."""
    try:
        raw = request.file.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidRequestError("invalid_request", f"{request.file}: {reason}") from None
    version = await installation.newest_version()
    found = read_flagd_file(raw, str(request.file), version.pipeline, version.flags, request.by)
    if found.findings:
        raise findings_error(found.findings)
    written = [parse_json(serialize_control(document)) for document in found.documents]
    installation.deed.only_looked = request.dry_run
    if not request.dry_run:
        installation.deed.changed(None, written, pipeline=version.pipeline)
        documents = await read_control_state(installation.settings)
        for document in found.documents:
            replaced = keys_about(documents, document.subject)
            await publish_control(installation.settings, document, replaced)
    return ImportFlagsResult(written=not request.dry_run, documents=written)
