"""Which product was sold?"""

from farandole import Reject

from sales.models import EnrichedSale, Sale
from sales.products import products


def enrich(sale: Sale) -> EnrichedSale:
    product = products().get(sale.product)
    if product is None:
        raise Reject(f"there is no product {sale.product!r}")
    cost = product.cost_cents * sale.pieces
    return EnrichedSale(**sale.model_dump(), name=product.name, cost_cents=cost)
