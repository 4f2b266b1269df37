"""Can two installations take one topic for their own?"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.broker.broker_errors import AccessDeniedError
from farandole.broker.cluster_admin import ClusterAdmin
from farandole.broker.settings import Settings
from farandole.broker.topic_ids import FoundTopic
from farandole.events.kafka_names import KafkaNames
from farandole.router.topic_owners import neighbour, require_own_topics
from farandole.router.topology_store import NotAppliedError, published_versions_of
from farandole.router.version_publisher import publish_version
from tests.router.made import FILE, derived

words = st.sampled_from(["a", "b", "a-b"])
types = st.lists(words, min_size=1, max_size=3).map(".".join)


@given(st.one_of(st.just(""), words), words, types, st.one_of(st.just(""), words), words, types)
def test_only_the_neighbour_can_have_a_topic_of_the_same_name(
    namespace: str, pipeline: str, event: str, other: str, its_pipeline: str, its_event: str
) -> None:
    ours, theirs = KafkaNames(namespace), KafkaNames(other)
    same = ours.event_topic(pipeline, event) == theirs.event_topic(its_pipeline, its_event)
    if same and namespace != other:
        assert neighbour(ours, pipeline) == theirs


def file_of(pipeline: str, event: str) -> str:
    return FILE.replace("pipeline: p", f"pipeline: {pipeline}").replace("line.read", event)


class RestrictedAdmin:
    """Describes nothing outside of the namespace `blue`, as Kafka does for a user with its rules
    alone."""

    async def topics(self, names: Iterable[str]) -> dict[str, int]:
        hidden = [name for name in names if not name.startswith("blue.")]
        if hidden:
            raise AccessDeniedError(f"Kafka denies us Describe on the topic {hidden[0]}")
        return {}

    async def find_topics(self, _: Iterable[str]) -> dict[str, FoundTopic]:
        return {}


async def test_who_may_not_see_the_other_installation_is_not_refused() -> None:
    settings = Settings(bootstrap="localhost:1", namespace="blue")
    file = derived(settings.names, file_of("line", "read"))
    await require_own_topics(settings, file, [], cast(ClusterAdmin, RestrictedAdmin()))


@pytest.mark.kafka
async def test_whoever_comes_second_is_refused_in_words(
    kafka: Settings, delete_topics: Callable[[str], None]
) -> None:
    word = f"t{secrets.token_hex(4)}"
    bare, within = kafka, kafka.model_copy(update={"namespace": word})
    first = derived(within.names, file_of("line", "read"))
    await publish_version(within, first, "ann")
    second = derived(bare.names, file_of(word, "line.read"))
    with pytest.raises(NotAppliedError, match=rf"{word}.line.read belongs to the pipeline 'line'"):
        await publish_version(bare, second, "bob")
    assert await published_versions_of(bare, word) == []
    other = derived(bare.names, file_of(word, "line.written"))
    await publish_version(bare, other, "bob")  # nothing is shared
    third = derived(within.names, file_of("line", "written"))
    with pytest.raises(NotAppliedError, match=rf"belongs to the pipeline '{word}' with no names"):
        await publish_version(within, third, "ann")
    assert (await publish_version(within, first, "ann")).version.version == 1
    delete_topics(f"{word}.")
