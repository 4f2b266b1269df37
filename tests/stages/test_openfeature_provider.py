"""Does OpenFeature's own SDK read the flags of a pipeline?"""

from __future__ import annotations

from pathlib import Path

import pytest

from farandole.testing import Pipeline
from tests.testing.projects import write_project

pytest.importorskip("openfeature", reason="the extra openfeature is not installed")

TOPOLOGY = """
    pipeline: shop
    events:
      order.placed: {key: customer}
    flags:
      vip: {type: bool, default: false}
      most: {type: int, default: 3}
      rate: {type: float, default: 0.5}
      greeting: {type: text, default: Hello}
      prices: {type: json, default: {tea: 5}}
    stages:
      read: {run: "MODULE:read", subscribes: order.placed, emits: order.read}
"""
CODE = """
    from typing import Any
    from openfeature import api
    from pydantic import BaseModel
    from farandole import Context
    from farandole.stages.openfeature_provider import FlagProvider, evaluation_context

    api.set_provider(FlagProvider())
    client = api.get_client()

    class Order(BaseModel):
        customer: str

    class Seen(BaseModel):
        values: list[Any]
        errors: list[str]
        attributes: dict[str, Any]
        key: str

    ASYNC def read(order: Order, context: Context) -> Seen:
        asked = evaluation_context(context)
        context.flag("vip", False), context.flag("most", 0), context.flag("rate", 0.0)
        context.flag("greeting", ""), context.flag("prices", {})
        wrong = [
            client.get_boolean_details("most", True, asked),
            client.get_integer_details("vip", 9, asked),
            client.get_string_details("gone", "own", asked),
            client.get_boolean_details("vip", True),
        ]
        return Seen(
            values=[
                AWAIT client.get_boolean_valueEND("vip", True, asked),
                AWAIT client.get_integer_valueEND("most", 0, asked),
                AWAIT client.get_float_valueEND("rate", 0.0, asked),
                AWAIT client.get_string_valueEND("greeting", "", asked),
                AWAIT client.get_object_valueEND("prices", {}, asked),
                *(each.value for each in wrong),
            ],
            errors=[str(each.error_code.value) for each in wrong],
            attributes={k: v for k, v in asked.attributes.items() if k == "type"},
            key=asked.targeting_key,
        )
"""


@pytest.mark.parametrize("style", ["plain", "async"])
def test_the_sdk_reads_what_the_context_reads(tmp_path: Path, style: str) -> None:
    words = ("async", "await", "_async") if style == "async" else ("", "", "")
    code = CODE.replace("ASYNC ", f"{words[0]} ".lstrip()).replace(
        "AWAIT ", f"{words[1]} ".lstrip()
    )
    file = write_project(tmp_path, TOPOLOGY, code.replace("END", words[2]))
    flags = {"vip": True, "most": 7, "rate": 2, "greeting": "Hi", "prices": {"tea": 9}}
    with Pipeline(file) as pipeline:
        for asked in ({}, flags):
            for name, value in asked.items():
                pipeline.flag(name, value)
            pipeline.send("order.placed", {"customer": "ann"})
            report = pipeline.run()
            assert report.status == "completed", pipeline.dead_letters()
        before, after = (event.data for event in pipeline.emitted("order.read"))
    assert before["values"][:5] == [False, 3, 0.5, "Hello", {"tea": 5}]
    assert after["values"][:5] == [True, 7, 2.0, "Hi", {"tea": 9}]
    assert after["values"][5:] == [True, 9, "own", True]
    assert after["errors"] == [
        "TYPE_MISMATCH", "TYPE_MISMATCH", "FLAG_NOT_FOUND", "INVALID_CONTEXT",
    ]  # fmt: skip
    assert (after["attributes"], after["key"]) == ({"type": "order.placed"}, "ann")
    assert report.flags["read"]["most"] == {"3": 3, "7": 3}
