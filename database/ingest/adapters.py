"""Every adapter by name, in the order in which an unknown file is tried on them."""

from database.ingest import interactions, items, metadata, products, retail, reviews
from database.ingest.chunk import Adapter

ADAPTERS: dict[str, Adapter] = {
    module.ADAPTER.name: module.ADAPTER
    for module in (retail, products, reviews, metadata, interactions, items)
}
