"""What speaks for an item beside another item: its title, and the people who chose both."""

import numpy as np

from serving.steps.context import Context
from serving.steps.scores import scatter
from serving.steps.table import EMPTY_COLUMN, Column
from serving.types import Mask
from training.models.blend import FEW_INTERACTIONS


def similar_titles(context: Context, allowed: Mask) -> dict[str, Column]:
    """TF-IDF cosine of title and sub-category with the item that is asked about.

    The bundle's neighbour lists answer for what they know; what was created or edited since is
    compared live, both as the item asked for and as a neighbour.
    """
    changed, bundle = context.changed_rows(), context.bundle
    titles = context.index.titles
    if bundle is None or changed[context.item]:
        rows, cosines = titles.similar(
            context.item, np.ones(context.n_rows, dtype=np.bool_), context.identity
        )
        return {"tfidf": Column(cosines, rows)}
    indexes, cosines = bundle.models.tfidf.row(bundle.index(context.item))
    scores = scatter(np.asarray(cosines), bundle.rows[indexes], context.n_rows)
    # The bundle's neighbours that were edited since are compared by their text of now, below.
    scores[changed] = 0
    live_rows, live_cosines = titles.similar(context.item, changed, context.identity)
    scores[live_rows] = live_cosines
    return {"tfidf": Column(scores)}


def near_price(context: Context, allowed: Mask) -> dict[str, Column]:
    """Of the prices of two items of one kind, the lower over the higher: 1 is the same price."""
    catalogue = context.index.catalogue
    prices, kinds = catalogue.column("price"), catalogue.column("kind")
    own = prices[context.item]
    if not own > 0:
        return {"price": EMPTY_COLUMN}
    comparable = (prices > 0) & (kinds == kinds[context.item])
    known = np.where(comparable, prices, own)
    # The lower price over the higher: 1 for equals, the same for half and double, no scale of money needed.
    closeness = np.where(comparable, np.minimum(known, own) / np.maximum(known, own), 0.0)
    return {"price": Column(closeness.astype(np.float32))}


def same_people(context: Context, allowed: Mask) -> dict[str, Column]:
    """Cosine of the ALS factors with those of the item that is asked about, shrunk by support.

    The cosine times n / (n + FEW_INTERACTIONS), where n users chose the item: what one user did says next to
    nothing.
    """
    bundle = context.bundle
    if bundle is None or bundle.index(context.item) < 0:
        return {"als": EMPTY_COLUMN}
    als = bundle.models.als
    indexes, cosines = als.similar(bundle.index(context.item), als.n_items)
    # n / (n + prior): shrinkage towards 0, as of a mean with a prior worth so many users.
    users = bundle.models.popularity.all_time[indexes]
    shrunk = (cosines * users / (users + FEW_INTERACTIONS)).astype(np.float32)
    return {"als": Column(shrunk, bundle.rows[indexes])}
