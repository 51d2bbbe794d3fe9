"""What is like an item that nobody has chosen yet: its text decides, then its price."""

import numpy as np

from serving.steps.context import Context
from serving.steps.table import Table

PRICE_SHARE = np.float32(0.1)
"""Share of the price in the score: it puts in order what reads alike, and joins nothing that does not."""


def text_and_price(context: Context, table: Table) -> Table:
    """The better of meaning and title, and a share of the price; without any text the price alone."""
    text, price = table.highest(("embeddings", "tfidf")), table.column("price")
    if not text.any():
        return table.scored(price, {"price": price})
    parts = {
        "text": (1 - PRICE_SHARE) * text,
        "price": np.where(text > 0, PRICE_SHARE * price, np.float32(0)),
    }
    return table.scored(table.total(parts), parts)
