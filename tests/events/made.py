"""A record as a client would hand it over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from hypothesis import strategies as st

from farandole.events.record import Header


class Made(NamedTuple):
    """One record; `events.record.Record`."""

    value: bytes | None
    headers: Sequence[Header] = ()
    key: bytes | None = None
    topic: str = "order-lines.line.ingested"
    partition: int = 3
    offset: int = 10482
    timestamp: int = 0


# What a header may hold on the wire: any name that is UTF-8, any bytes, or none.
header_names = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(
        ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_runid", "ce_topologyversion",
         "ce_", "ce_X", "content-type", "traceparent", "dead_message"]
    ),
)  # fmt: skip
header_values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.binary(),
    st.sampled_from([b"1.0", b"application/json", b"application/cloudevents+json", b"x/y; q"]),
)
headers: st.SearchStrategy[Any] = st.lists(st.tuples(header_names, header_values), max_size=8)
values = st.one_of(
    st.none(),
    st.binary(),
    st.sampled_from(
        [b"{}", b"[]", b"null", b'{"specversion":"1.0","id":"1","source":"s","type":"t","data":1}',
         b'{"data":' + b"[" * 400 + b"]" * 400 + b"}", b'{"id":1.5,"data":{}}',
         b'{"data":"\\ud800"}']
    ),
)  # fmt: skip
records = st.builds(Made, values, headers, st.one_of(st.none(), st.binary()))
