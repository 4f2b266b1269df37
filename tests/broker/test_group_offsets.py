"""Which requests commit and read the offsets of a group?"""

from __future__ import annotations

from io import BytesIO

from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.aiokafka_internals import types
from farandole.broker.group_offsets import GroupMember, _OffsetFetch, _TxnOffsetCommit

TXN_OFFSET_COMMIT, OFFSET_FETCH = 28, 9
TEXT, TAGS = types.CompactString("utf-8"), types.TaggedFields
TXN_OFFSET_COMMIT_V3 = types.Schema(
    ("transactional_id", TEXT),
    ("group_id", TEXT),
    ("producer_id", types.Int64),
    ("producer_epoch", types.Int16),
    ("generation_id", types.Int32),
    ("member_id", TEXT),
    ("group_instance_id", TEXT),
    (
        "topics",
        types.CompactArray(
            ("name", TEXT),
            (
                "partitions",
                types.CompactArray(
                    ("partition", types.Int32),
                    ("offset", types.Int64),
                    ("leader_epoch", types.Int32),
                    ("metadata", TEXT),
                    ("tags", TAGS),
                ),
            ),
            ("tags", TAGS),
        ),
    ),
    ("tags", TAGS),
)
"""As Kafka's TxnOffsetCommitRequest.json has it."""

Topics = dict[str, list[tuple[int, int, str]]]

offsets = st.dictionaries(
    st.text(min_size=1),
    st.lists(st.tuples(st.integers(0, 999), st.integers(0, 2**40), st.text(max_size=300))),
)


@given(st.text(), st.integers(0, 2**40), st.integers(0, 9), st.text(), offsets)
def test_an_offset_commit_names_the_member_and_its_generation(
    group: str,
    producer: int,
    epoch: int,
    member: str,
    topics: dict[str, list[tuple[int, int, str]]],
) -> None:
    request = _TxnOffsetCommit(("t", producer, epoch), group, GroupMember(7, member), topics)
    sent = BytesIO(request.prepare({TXN_OFFSET_COMMIT: (0, 5)}).encode())
    assert TXN_OFFSET_COMMIT_V3.decode(sent) == (
        *("t", group, producer, epoch, 7, member, None),
        [(name, [(p, at, -1, text, {}) for p, at, text in of], {}) for name, of in topics.items()],
        {},
    )
    assert sent.read() == b""


def test_a_broker_that_does_not_check_members_gets_the_old_requests() -> None:
    commit = _TxnOffsetCommit(("t", 1, 2), "g", GroupMember(7, "m"), {"in": [(0, 5, "")]})
    assert commit.prepare({TXN_OFFSET_COMMIT: (0, 2)}).API_VERSION == 0
    fetch = _OffsetFetch("g", {"in": [0]})
    assert fetch.prepare({OFFSET_FETCH: (1, 5)}).API_VERSION == 3


def test_offsets_are_read_once_they_are_stable() -> None:
    request = _OffsetFetch("g", {"in": [0]}).prepare({OFFSET_FETCH: (1, 9)})
    assert (request.API_VERSION, request.require_stable) == (7, True)
