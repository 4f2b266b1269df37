"""What do the rows of `farandole.topology` contain?

This is the only decoder of that table. A row that no router wrote is *foreign*. The caller decides
what to do about it: the router refuses to publish, workers and the notifier log it, all others
skip it.

A pipeline that has a version of a newer format is not read at all by those who would work its
events or publish versions of it, because an event of that version would look like one of a version
that was never published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import structlog
from pydantic import ValidationError

from farandole.broker.settings import Settings
from farandole.broker.topic_reader import read_table
from farandole.events.row_format import NewerFormatError, check_json_format
from farandole.events.topology_version import (
    INSTALLATION_KEY,
    REPORT_SUFFIX,
    Installation,
    RouterReport,
    Version,
    parse_topology_row,
)

log = structlog.get_logger()


@dataclass(frozen=True)
class TopologyTable:
    """The decoded rows of `farandole.topology`, of all pipelines or of one."""

    installation: Installation | None = None
    """None before the first router has started."""
    versions: tuple[Version, ...] = ()
    """Sorted by pipeline and number."""
    reports: Mapping[str, RouterReport] = field(default_factory=dict)
    """By pipeline."""
    foreign: Mapping[bytes, str] = field(default_factory=dict)
    """By key: what is wrong with each row that no router wrote."""
    newer: Mapping[str, NewerFormatError] = field(default_factory=dict)
    """By pipeline: the error about a version whose format this release does not know. Under the
    empty name: that about the installation, which concerns every pipeline."""

    def of(self, pipeline: str) -> tuple[Version, ...]:
        """Return the versions of a pipeline, oldest first; empty if it was never published. Raises
        NewerFormatError if this release does not know the format of one of them."""
        error = self.newer.get(pipeline) or self.newer.get("")
        if error is not None:
            raise error
        return self._by_pipeline.get(pipeline, ())

    def newest(self, pipeline: str) -> Version | None:
        """Return the newest version of a pipeline; None if it was never published. Raises
        NewerFormatError."""
        versions = self.of(pipeline)
        return versions[-1] if versions else None

    def newest_known(self, pipeline: str) -> Version | None:
        """Return the newest version of a pipeline whose format this release knows; None if there is
        none. It is for readers that only report: they need not stop at a newer one."""
        versions = self._by_pipeline.get(pipeline)
        return versions[-1] if versions else None

    def next_number(self, pipeline: str) -> int:
        """Return the number of the next version of a pipeline; the numbers go on after a pipeline
        of that name was deleted."""
        newest = self.newest(pipeline)
        deleted = self.installation.deleted if self.installation else {}
        return (newest.version if newest else deleted.get(pipeline, 0)) + 1

    def newest_versions(self) -> list[Version]:
        """Return the newest version of each pipeline whose format this release knows."""
        return [versions[-1] for versions in self._by_pipeline.values()]

    def pipelines(self) -> list[str]:
        """Return the names of all pipelines that were ever published."""
        return list(dict.fromkeys([*self._by_pipeline, *filter(None, self.newer)]))

    @cached_property
    def by_name(self) -> Mapping[bytes, Version]:
        """The versions by name, as `ce_topologyversion` carries it: `b"order-lines@7"`."""
        return {version.name.encode(): version for version in self.versions}

    @cached_property
    def _by_pipeline(self) -> Mapping[str, tuple[Version, ...]]:
        found: dict[str, list[Version]] = {}
        for version in self.versions:
            found.setdefault(version.pipeline, []).append(version)
        return {pipeline: tuple(versions) for pipeline, versions in found.items()}


_Row = Installation | Version | RouterReport | NewerFormatError | str
"""A decoded row; for a foreign row, the text of what is wrong with it."""


class TopologyDecoder:
    """Decodes the rows of the table as it changes. A row that has not changed is not decoded
    again."""

    def __init__(
        self,
        pipeline: str | None = None,
        on_foreign: Callable[[bytes], object] = lambda key: None,
    ) -> None:
        """Rows of other pipelines than `pipeline` are skipped; None decodes those of all pipelines.
        `on_foreign` is called once for each foreign row that was written, with its key."""
        self._prefix = None if pipeline is None else f"{pipeline}@".encode()
        self._on_foreign = on_foreign
        self._rows: Mapping[bytes, bytes] | None = None
        self._decoded: dict[bytes, tuple[bytes, _Row]] = {}
        self._table = TopologyTable()

    def decode(self, rows: Mapping[bytes, bytes]) -> TopologyTable:
        """Return the table of these rows. It is the object that the last call returned if nothing
        has changed.

        `rows` must not be changed afterwards, because the same object is not compared again.
        """
        if rows is self._rows:
            return self._table
        wanted = {key: value for key, value in rows.items() if self._is_wanted(key)}
        for key in self._decoded.keys() - wanted.keys():
            del self._decoded[key]
        for key, value in wanted.items():
            if key not in self._decoded or self._decoded[key][0] != value:
                self._decoded[key] = value, self._decode_row(key, value)
        table = _make_table({key: self._decoded[key][1] for key in wanted})
        if table != self._table:
            self._table = table
        self._rows = rows
        return self._table

    def _is_wanted(self, key: bytes) -> bool:
        return self._prefix is None or b"@" not in key or key.startswith(self._prefix)

    def _decode_row(self, key: bytes, value: bytes) -> _Row:
        try:
            return parse_topology_row(key, value)
        except NewerFormatError as error:
            return error
        except ValueError as error:  # a foreign row must not end every reader of the table
            self._on_foreign(key)
            return error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)


def _make_table(rows: Mapping[bytes, _Row]) -> TopologyTable:
    installation = None
    versions: list[Version] = []
    reports: dict[str, RouterReport] = {}
    foreign: dict[bytes, str] = {}
    newer: dict[str, NewerFormatError] = {}
    for key, row in rows.items():
        if isinstance(row, Installation):
            installation = row
        elif isinstance(row, Version):
            versions.append(row)
        elif isinstance(row, RouterReport):
            reports[row.pipeline] = row
        elif isinstance(row, NewerFormatError):
            if key.endswith(REPORT_SUFFIX):
                continue  # it only informs people, and its router will write another one
            newer[key.rpartition(b"@")[0].decode(errors="backslashreplace")] = row
        else:
            foreign[key] = row
    versions.sort(key=lambda version: (version.pipeline, version.version))
    return TopologyTable(installation, tuple(versions), reports, foreign, newer)


def decode_installation(rows: Mapping[bytes, bytes]) -> Installation | None:
    """Return the installation's id and date; None if no router has started in it yet, or if the row
    is foreign, which is logged. Raises NewerFormatError."""
    value = rows.get(INSTALLATION_KEY)
    if value is None:
        return None
    try:
        check_json_format("installation", value)
        return Installation.model_validate_json(value)
    except ValidationError:
        log_foreign_row(INSTALLATION_KEY)
        return None


def log_foreign_row(key: bytes) -> None:
    """Log a warning about a foreign row. It is meant as `on_foreign` of `TopologyDecoder`."""
    log.warning("topology.foreign", key=key.decode(errors="backslashreplace"))


async def read_topology(settings: Settings) -> TopologyTable:
    """Return the whole table as committed when this is called; empty if its topic does not exist.
    Foreign rows are in its `foreign`. Raises the errors of `read_table`."""
    return TopologyDecoder().decode(await read_table(settings, settings.names.topology_topic))
