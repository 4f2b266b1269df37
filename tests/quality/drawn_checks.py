"""Which rows and rules do the property tests of quality/ draw?"""

from __future__ import annotations

from hypothesis import strategies as st

from farandole.events.check_spec import CheckSpec

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.sampled_from([10**30, 2**64, -(2**63), 10**4000])
    | st.floats(allow_nan=False)
    | st.sampled_from(["red", "green", "1", "1.5", "1e4000", "", "x" * 200, "ünï-001", "null"])
    | st.text(max_size=5)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "b", "c.d"]), inner, max_size=3)
    ),
    max_leaves=4,
)
rows = st.dictionaries(st.sampled_from(["a", "b", "c.d"]), values, max_size=3) | values

CHECKS = {
    "filled": CheckSpec(rule="not-null", column="a"),
    "number": CheckSpec(rule="range", column="a", min=0, max=2.5),
    "inside": CheckSpec(rule="range", column="a.b", max=10**30),
    "dotted": CheckSpec(rule="not-null", column=r"c\.d"),
    "color": CheckSpec(rule="one-of", column="b", values=("red", 1, True, None)),
    "code": CheckSpec(rule="pattern", column="b", matches="[a-zà-ü]+(-[0-9]{3})?"),
    "short": CheckSpec(rule="length", column="a", min=1, max=4),
    "true": CheckSpec(rule="expression", holds="data.a > 0"),
    "mostly": CheckSpec(rule="not-null", column="b", share=0.5),
}
