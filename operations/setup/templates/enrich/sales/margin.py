"""What was earned or lost by a sale?"""

from sales.models import EnrichedSale, Loss, ValuedSale


def margin(sale: EnrichedSale) -> ValuedSale | Loss:
    earned = sale.paid_cents - sale.cost_cents
    if earned < 0:
        return Loss(product=sale.product, name=sale.name, loss_cents=-earned)
    return ValuedSale(product=sale.product, name=sale.name, margin_cents=earned)
