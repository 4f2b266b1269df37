"""What is known about each product and household?"""

from __future__ import annotations

from functools import cache

from stages.order_lines import source_data
from stages.order_lines.schemas import Household, Product


@cache
def products() -> dict[int, Product]:
    """Return the products by id. The 92,331 products share 574 objects: 6 MB instead of 50."""
    shared: dict[tuple[str, str, str | None], Product] = {}
    known = {}
    columns = ["product_id", "department", "brand", "product_category"]
    for product_id, *what in source_data.rows(source_data.PRODUCTS, columns):
        department, brand, category = what
        product = shared.get((department, brand, category))
        if product is None:
            product = Product(department=department, brand=brand, category=category)
            shared[department, brand, category] = product
        known[product_id] = product
    return known


@cache
def households() -> dict[int, Household]:
    """Return the households by id; most of them are not known."""
    columns = ["household_id", "age", "income"]
    return {
        household_id: Household(age=age, income=income)
        for household_id, age, income in source_data.rows(source_data.DEMOGRAPHICS, columns)
    }
