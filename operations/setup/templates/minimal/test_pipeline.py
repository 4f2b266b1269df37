"""Is each order priced, and does one that cannot be fulfilled die?"""

import pytest
from farandole import Reject

from orders.check import check
from orders.models import Order
from orders.price import price


def test_an_order_is_priced() -> None:
    order = Order(customer="ada", item="tea", pieces=3, cents_each=450)
    assert price(check(order)).total_cents == 1350


def test_an_order_of_nothing_is_rejected() -> None:
    with pytest.raises(Reject):
        check(Order(customer="ada", item="tea", pieces=0, cents_each=450))
