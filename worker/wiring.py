"""Whose event is this record: which run, which version, and who comes after?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from events.envelope import (
    CORRELATION_ID,
    RUN_ID,
    TOPOLOGY_VERSION,
    TRACEPARENT,
    Unreadable,
    header,
    read,
)
from events.ids import RunIds
from events.record import Header, Record
from events.topology import Version

_MOST_CACHED = 4096  # lineages; beyond, the cache starts anew


@dataclass(frozen=True, slots=True)
class Lineage:
    """What an event hands down to all that it causes."""

    version: Version
    run: str
    inherited: tuple[Header, ...]
    """The headers that each descendant carries, besides those of its own type."""
    attributes: Mapping[str, str]
    data: bytes | None = None
    """The data, where it is not simply the record's value (structured mode)."""


Versions = Mapping[int, Version]


class Wiring:
    """The lineage of each record that a stage reads.

    Bookkeeping headers are believed only of records that a stage of this installation emitted, by
    their `ce_source`; on any other record a run id is a correlation attribute.
    """

    def __init__(
        self, stage: str, versions: Versions, refresh: Callable[[], Awaitable[Versions]]
    ) -> None:
        self._stage = stage
        self._refresh = refresh
        self._cache: dict[tuple[bytes | str | None, ...], Lineage | None] = {}
        self._run_ids: dict[str, RunIds] = {}
        self._learn(versions)

    def _learn(self, versions: Versions) -> None:
        self._versions = {v.name.encode(): v for _, v in sorted(versions.items())}
        self._newest = versions[max(versions)]
        self._ours = f"farandole://{self._newest.installation}/".encode()
        self._types = {
            (v.name, e.topic): event_type
            for v in versions.values()
            for event_type, e in v.events.items()
        }
        self._cache.clear()

    @property
    def newest(self) -> Version:
        return self._newest

    def event_type(self, version: Version, topic: str) -> str:
        return self._types[version.name, topic]

    def known(self, record: Record) -> Lineage | None:
        """The lineage of an event of ours whose version is known, as fast as can be; None for all
        others, which go through `of`."""
        headers = dict(record.headers)
        source = headers.get("ce_source")
        if source is None or not source.startswith(self._ours):
            return None
        key = (
            source,
            headers.get("ce_topologyversion"),
            headers.get("ce_runid"),
            headers.get("ce_correlationid"),
            headers.get(TRACEPARENT),
            record.topic,
        )
        try:
            return self._cache[key]
        except KeyError:
            if len(self._cache) >= _MOST_CACHED:
                self._cache.clear()
            lineage = self._cache[key] = self._emitted(record, headers)
            return lineage

    async def of(self, record: Record) -> Lineage:
        """The lineage of any record: what `known` does not know is a root, or of a version that was
        published after we last looked. Raises Unreadable."""
        headers = dict(record.headers)
        name = headers.get("ce_topologyversion")
        if (headers.get("ce_source") or b"").startswith(self._ours) and name not in self._versions:
            self._learn(await self._refresh())
            if name not in self._versions:
                raise Unreadable(
                    f"topology version {(name or b'(none)').decode(errors='replace')!r} was never "
                    "published here"
                )
        return self._emitted(record, headers) or self._root(record)

    def _emitted(self, record: Record, headers: Mapping[str, bytes]) -> Lineage | None:
        version = self._versions.get(headers.get("ce_topologyversion") or b"")
        run = headers.get("ce_runid")
        if version is None or not run:
            return None
        event_type = self._types.get((version.name, record.topic))
        if event_type is None:
            return None
        sources = {version.source(s).encode() for s in version.emitters(event_type)}
        if headers.get("ce_source") not in sources:
            return None
        try:
            attributes = {n[3:]: v.decode() for n, v in headers.items() if n.startswith("ce_")}
        except UnicodeDecodeError:
            return None
        correlation = attributes.get(CORRELATION_ID)
        traceparent = headers.get(TRACEPARENT)
        return self._lineage(version, run.decode(), correlation, traceparent, attributes)

    def _root(self, record: Record) -> Lineage:
        envelope = read(record)
        media_type = envelope.content_type.partition(";")[0].strip().lower()
        if media_type not in ("application/json", "text/json") and not media_type.endswith("+json"):
            raise Unreadable(f"content-type {media_type!r} is not JSON")
        version = self._newest
        for candidate in reversed(self._versions.values()):
            event_type = self._types.get((candidate.name, record.topic))
            if event_type is None:
                continue
            boundaries = candidate.events[event_type].boundaries
            version = candidate
            if record.partition >= len(boundaries) or (
                boundaries[record.partition] <= record.offset
            ):
                break
        runs = self._run_ids.get(record.topic)
        if runs is None:
            runs = self._run_ids[record.topic] = RunIds(version.installation, record.topic)
        attributes = envelope.attributes
        return self._lineage(
            version,
            runs.of(record.partition, record.offset),
            attributes.get(CORRELATION_ID) or attributes.get(RUN_ID),
            envelope.traceparent.encode() if envelope.traceparent else None,
            attributes,
            envelope.data,
        )

    def _lineage(
        self,
        version: Version,
        run: str,
        correlation: str | None,
        traceparent: bytes | None,
        attributes: Mapping[str, str],
        data: bytes | None = None,
    ) -> Lineage:
        inherited = [header(TOPOLOGY_VERSION, version.name), header(RUN_ID, run)]
        if correlation:
            inherited.append(header(CORRELATION_ID, correlation))
        if traceparent:
            inherited.append((TRACEPARENT, traceparent))
        return Lineage(version, run, tuple(inherited), attributes, data)
