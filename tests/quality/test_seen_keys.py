"""Is a key that comes again told from one that does not?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from farandole.quality.checks.seen_keys import SeenKeys, hash_keys

KEYS = st.one_of(
    st.integers(-5, 30), st.text(max_size=2), st.booleans(), st.sampled_from([0.5, 1.0])
)


def identity(key: object) -> tuple[bool, bool, object]:
    return type(key) is bool, type(key) is str, key


@given(st.lists(st.lists(KEYS, max_size=20), max_size=12))
def test_each_key_but_its_first_is_one_that_comes_again(batches: list[list[object]]) -> None:
    seen, known = SeenKeys(), set()
    for batch in batches:
        wanted = []
        for place, key in enumerate(batch):
            if identity(key) in known:
                wanted.append(place)
            known.add(identity(key))
        again, new = seen.add(hash_keys(batch))
        assert (again, len(new)) == (wanted, len(batch) - len(wanted))
    assert len(seen) == len(known)


def test_a_million_keys_take_as_many_words() -> None:
    seen = SeenKeys()
    for start in range(0, 200_000, 5_000):
        again, _ = seen.add(hash_keys(range(start, start + 5_000)))
        assert again == []
    assert sum(each.nbytes for each in seen._sorted) == 8 * 200_000
    assert len(seen._sorted) < 20
