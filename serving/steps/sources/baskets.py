"""What is bought with the items of a basket, which stands where a user's history does."""

from serving.steps.context import Context
from serving.steps.table import EMPTY_COLUMN, Column
from serving.types import Mask


def bought_together(context: Context, allowed: Mask) -> dict[str, Column]:
    """The association rules from the basket's items, one by one and two together."""
    query, bundle = context.model_query(), context.bundle
    if bundle is None or not len(query.items):
        return {"fpgrowth": EMPTY_COLUMN}
    return {"fpgrowth": Column(bundle.models.fpgrowth.basket_scores(query), *bundle.places(context.n_rows))}
