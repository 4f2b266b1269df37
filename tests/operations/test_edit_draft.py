"""Is each edit of a draft done or refused in words, whatever is asked for?"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from farandole.operations.errors import RefusedError
from farandole.operations.topology.edit_draft import Edit, edit_draft

TEXT = "pipeline: shop\nstages:\n  price: {subscribes: order.placed} # why\n"


def edited(**edit: Any) -> str:
    return edit_draft(TEXT, TypeAdapter(Edit).validate_python(edit)).text


def test_a_stage_is_inserted_with_its_function_and_parameters() -> None:
    parameters = {"when": "data.pieces > 1"}
    text = edited(
        edit="insert-stage", stage="many", event="order.placed", reader="price", emits="order.many",
        run="stages.generic.filter:filter", parameters=parameters,
    )  # fmt: skip
    assert "  price: {subscribes: order.many} # why\n" in text
    assert "    with: {when: data.pieces > 1}\n" in text


def test_the_graph_of_the_edited_text_comes_with_it() -> None:
    edit = TypeAdapter(Edit).validate_python(
        {"edit": "rewire", "stage": "price", "old": "order.placed", "new": "order.checked"}
    )
    graph = edit_draft(f"package: work\n{TEXT}", edit).graph
    assert graph is not None
    assert [(s.name, s.subscribes, s.line) for s in graph.stages] == [
        ("price", ["order.checked"], 4)
    ]


@pytest.mark.parametrize(
    "edit",
    [
        {"edit": "remove-stage", "stage": "price"},
        {"edit": "remove-event", "event": "order.placed"},
        {"edit": "add-event", "event": "Order Placed"},
        {"edit": "rewire", "stage": "gone", "old": "a", "new": "b"},
    ],
)
def test_what_means_nothing_is_refused(edit: dict[str, Any]) -> None:
    with pytest.raises(RefusedError) as refused:
        edited(**edit)
    assert refused.value.code == "edit_refused"


def test_parameters_without_a_bottom_are_refused() -> None:
    deep: Any = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(RefusedError) as refused:
        edited(edit="insert-stage", stage="m", event="order.placed", parameters={"a": deep})
    assert refused.value.code == "edit_refused"
