"""Is a sale joined with its product, and told from a loss?"""

from farandole.testing import Pipeline

from sales.models import Loss, Sale, ValuedSale


def test_a_sale_has_the_name_and_the_cost_of_its_product(pipeline: Pipeline) -> None:
    pipeline.send("sale.made", Sale(product="p1", pieces=2, paid_cents=900))
    report = pipeline.run()
    (valued,) = pipeline.emitted("sale.valued")
    expected = ValuedSale(product="p1", name="green tea", margin_cents=300)
    assert valued.read(ValuedSale) == expected
    assert pipeline.emitted("loss.made") == []
    assert report.is_balanced


def test_a_sale_below_cost_is_a_loss(pipeline: Pipeline) -> None:
    pipeline.send("sale.made", Sale(product="p3", pieces=1, paid_cents=1500))
    pipeline.run()
    (lost,) = pipeline.emitted("loss.made")
    assert lost.read(Loss).loss_cents == 300


def test_an_unknown_product_is_rejected(pipeline: Pipeline) -> None:
    pipeline.send("sale.made", Sale(product="p9", pieces=1, paid_cents=1))
    pipeline.run()
    (letter,) = pipeline.dead_letters("enrich")
    assert letter.message == "there is no product 'p9'"
