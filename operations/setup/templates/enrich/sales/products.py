"""What do we know of each product?"""

import csv
from functools import cache
from pathlib import Path

from sales.models import Product

FILE = Path(__file__).parents[1] / "data" / "products.csv"


@cache
def products() -> dict[str, Product]:
    """Return the products by their code.

    They are read once in each process: restart the workers when the file has changed.
    """
    with FILE.open(newline="") as lines:
        found = [Product.model_validate(row) for row in csv.DictReader(lines)]
    return {product.product: product for product in found}
