"""Is each order priced, and does one that cannot be fulfilled die?"""

from farandole.testing import Pipeline

from orders.models import Order, PricedOrder

ORDER = Order(customer="ada", item="tea", pieces=3, cents_each=450)


def test_an_order_is_priced(pipeline: Pipeline) -> None:
    pipeline.send("order.placed", ORDER)
    report = pipeline.run()
    (priced,) = pipeline.emitted("order.priced")
    assert priced.read(PricedOrder).total_cents == 1350
    assert report.is_balanced


def test_an_order_of_nothing_is_rejected(pipeline: Pipeline) -> None:
    pipeline.send("order.placed", ORDER.model_copy(update={"pieces": 0}))
    pipeline.run()
    (letter,) = pipeline.dead_letters("check")
    assert letter.message == "an order of 0 pieces"
    assert pipeline.emitted("order.priced") == []
