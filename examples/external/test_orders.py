def test_each_line_of_an_order_is_accepted(pipeline):
    pipeline.send("order.placed", {"customer": "ann", "cents": [100, 250]})
    assert pipeline.run().is_balanced
    assert [event.data["cents"] for event in pipeline.emitted("order.accepted")] == [100, 250]


def test_only_a_score_that_the_schema_knows_is_reported(pipeline):  # score.mjs does not run here
    pipeline.send("order.scored", {"customer": "ann", "cents": 100, "score": "low"})
    pipeline.send("order.scored", {"customer": "bob", "cents": 100, "score": "middle"})
    pipeline.run()
    assert [letter.event.data["customer"] for letter in pipeline.dead_letters("report")] == ["bob"]
