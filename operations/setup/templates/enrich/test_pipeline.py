"""Is a sale joined with its product, and told from a loss?"""

import pytest
from farandole import Reject

from sales.enrich import enrich
from sales.margin import margin
from sales.models import Loss, Sale, ValuedSale


def test_a_sale_has_the_name_and_the_cost_of_its_product() -> None:
    valued = margin(enrich(Sale(product="p1", pieces=2, paid_cents=900)))
    assert valued == ValuedSale(product="p1", name="green tea", margin_cents=300)


def test_a_sale_below_cost_is_a_loss() -> None:
    lost = margin(enrich(Sale(product="p3", pieces=1, paid_cents=1500)))
    assert lost == Loss(product="p3", name="teapot", loss_cents=300)


def test_an_unknown_product_is_rejected() -> None:
    with pytest.raises(Reject):
        enrich(Sale(product="p9", pieces=1, paid_cents=1))
