def test_a_visitor_is_greeted(pipeline):  # a fixture: the pipeline of the nearest topology.yaml
    pipeline.send("visitor.came", {"name": "Ada"})
    assert pipeline.run().status == "completed"
    assert [event.data["text"] for event in pipeline.emitted("visitor.greeted")] == ["Hello, Ada"]


def test_a_visitor_without_a_name_is_turned_away(pipeline):
    pipeline.send("visitor.came", {"name": ""})
    pipeline.run()
    assert [letter.message for letter in pipeline.dead_letters()] == ["a visitor without a name"]
