"""Are different values counted within 2 %, whatever the order?"""

from __future__ import annotations

import datasketches
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farandole.quality.profiles.hyperloglog import REGISTERS, HyperLogLog
from farandole.quality.profiles.packed import pack_bytes
from farandole.quality.profiles.value_hash import hash_integers, hash_texts

SIZES = [1, 10, 1_000, 1_500, 5_000, 20_000, 60_000, 100_000, 250_000, 1_000_000]


def of(integers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> HyperLogLog:
    sketch = HyperLogLog()
    sketch.add(hash_integers(integers))
    return sketch


@pytest.mark.parametrize("size", SIZES)
def test_an_estimate_is_within_2_percent(size: int) -> None:
    for first in (0, 10**12):
        assert of(np.arange(first, first + size)).estimate() == pytest.approx(size, rel=0.02)


def test_texts_are_estimated_as_well_as_the_data_sketches_library_does() -> None:
    texts = [f"ORD-{number:07}" for number in range(30_000)]
    oracle = datasketches.hll_sketch(15, datasketches.tgt_hll_type.HLL_8)
    for text in texts:
        oracle.update(text)
    sketch = HyperLogLog()
    sketch.add(hash_texts(texts))
    assert sketch.estimate() == pytest.approx(30_000, rel=0.02)
    assert sketch.estimate() == pytest.approx(oracle.get_estimate(), rel=0.02)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from([1, 300, 6_000])), max_size=5))
def test_parts_are_merged_to_the_registers_of_the_whole(parts: list[tuple[int, int]]) -> None:
    arrays = [np.arange(first, first + size) for first, size in parts]
    merged = HyperLogLog()
    for array in reversed(arrays):
        merged.merge(of(array))
    whole = of(np.concatenate([np.array([], np.int64), *arrays]))
    assert merged == whole
    assert HyperLogLog.from_wire(whole.to_wire()) == whole


def test_a_merge_leaves_the_other_one_as_it_was() -> None:
    one, other = of(np.arange(10_000)), of(np.arange(100))
    copied = one.copy()
    copied.merge(other)
    copied.add(hash_integers(np.arange(20_000)))
    assert one == of(np.arange(10_000))


def test_few_values_take_few_bytes() -> None:
    assert len(of(np.arange(1_000)).to_wire()) < 2_000
    assert len(of(np.arange(100_000)).to_wire()) < 20_000


@pytest.mark.parametrize(
    "wire",
    [
        None, "", "?", "AAAA", [1], pack_bytes(b"12"), pack_bytes(bytes(REGISTERS + 1)),
        pack_bytes(b"\xff" * REGISTERS), pack_bytes(b"\x01\x00\x00\x00\x01\x01"),
        pack_bytes(b"\xff\xff\x01"), pack_bytes(b"\x01\x00\x00"), pack_bytes(bytes(10**7)),
    ],
)  # fmt: skip
def test_what_are_no_registers_is_refused(wire: object) -> None:
    with pytest.raises(ValueError, match=r"HyperLogLog|packed"):
        HyperLogLog.from_wire(wire)
