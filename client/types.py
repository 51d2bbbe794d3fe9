"""Responses of the service as typed dictionaries, with the JSON keys. Times are ISO 8601 text in UTC."""

from typing import Any, Literal, NotRequired, TypedDict

Kind = Literal["product", "content", "article", "all"]
"""Kind of items to return; if omitted, each endpoint returns the kind of its own API."""


class Explained(TypedDict):
    """Fields that `explain=True` adds to an item."""

    reason: NotRequired[str]
    model: NotRequired[str]
    columns: NotRequired[dict[str, dict[str, float]] | None]
    """`sources`: the score from each source; `steps`: what each step added."""


class Product(Explained):
    """A product of the shop."""

    id: str
    name: str
    category: str | None
    image: str | None
    price: float | None
    original_price: float | None
    rating: float | None
    reviews: int | None
    discount_ratio: float | None
    score: NotRequired[float]


class Home(TypedDict):
    """The home page's lists."""

    personalized: list[Product]
    trending: list[Product]
    best_value: list[Product]
    top_categories: dict[str, list[Product]]
    diverse_picks: list[Product]


class SearchResults(TypedDict):
    """Products matching a query; with `fallback_reason`, trending products because nothing matched."""

    results: list[Product]
    fallback_reason: NotRequired[str]


class ShopInteraction(TypedDict):
    """An interaction, as the shop API returns it."""

    event_type: str
    product_id: str | None
    query: str | None
    timestamp: str


class FactorItem(Explained):
    """An item recommended by matrix factorisation."""

    item_id: str
    score: float
    title: str | None
    image_url: str | None


class FoundItem(Explained):
    """A result of semantic search; the score is the cosine."""

    product_id: str
    title: str | None
    score: float
    image_url: str | None


class Training(TypedDict):
    """Result of a training request: `success`, or `started` with the run's id."""

    status: Literal["success", "started"]
    message: str
    model_type: NotRequired[str]
    stats: NotRequired[dict[str, Any]]
    run_id: NotRequired[str]


class TrainingEnd(TypedDict):
    """How the last training ended: accepted, refused or failed, and why."""

    outcome: str
    reason: str
    details: dict[str, Any]
    ended_at: str


class TrainingStatus(TypedDict):
    """Status of a training run and of the bundle in service."""

    status: str
    run_id: str | None
    started_at: str | None
    finished_at: str | None
    last: TrainingEnd | None
    message: str | None
    bundle: str
    matrix_factorization: dict[str, Any]
    similarity_search: dict[str, Any]


class User(TypedDict):
    """A user; `history` has the ids of items they interacted with, newest first."""

    user_id: str
    interests: list[str]
    skill_level: str | None
    history: list[str]
    created_at: str


class Content(TypedDict):
    """A content item."""

    content_id: str
    title: str | None
    category: str | None
    tags: list[str]
    description: str | None
    created_at: str | None
    embedding_vector: NotRequired[list[float] | None]


class ItemState(TypedDict):
    """An item of any kind, and whether it may be in lists."""

    item_id: str
    kind: str
    title: str | None
    category: str | None
    price: float | None
    hidden: bool
    available: bool
    publish_at: str | None
    expire_at: str | None
    updated_at: str | None


class RecommendedContent(Explained):
    """A content item of a hybrid list, with the `method` that contributed most to its score."""

    content_id: str
    title: str | None
    category: str | None
    score: float
    method: str


class ContentInteraction(TypedDict):
    """A stored interaction or feedback."""

    interaction_id: int
    user_id: str
    content_id: str
    interaction_type: NotRequired[str]
    feedback_type: NotRequired[str]
    duration_seconds: NotRequired[float | None]
    timestamp: str


class Article(TypedDict):
    """An article as it is stored; `id` is given by the service."""

    id: int
    title: str
    content: str
    category: str | None
    created_at: str
    updated_at: str


class ArticlePage(TypedDict):
    """One page of articles."""

    count: int
    next: str | None
    previous: str | None
    results: list[Article]


class RecommendedArticle(Explained):
    """An article close to a query; `distance` is 1 - cosine, so 0 is identical."""

    id: int | str
    title: str | None
    content: str | None
    category: str | None
    created_at: str | None
    updated_at: str | None
    distance: float
    score: NotRequired[float]


class SessionEvent(TypedDict):
    """Something that a visitor did, for a list that the request's own events make."""

    item_id: NotRequired[str]
    query: NotRequired[str]
    type: NotRequired[str]
    value: NotRequired[float]


class Reason(TypedDict):
    """Why an item is in a list: in words, and as parts."""

    text: str
    code: str
    item: str | None
    numbers: dict[str, float]


class Item(TypedDict):
    """An item of /v1."""

    id: str
    kind: str
    title: str | None
    description: str | None
    price: float | None
    original_price: float | None
    image: str | None
    link: str | None
    category: str | None
    categories: list[str]
    labels: list[str]
    rating: float | None
    rating_count: int | None
    availability: dict[str, Any]
    attributes: dict[str, Any]
    timestamp: str | None
    publish_at: str | None
    expire_at: str | None
    created_at: str | None
    updated_at: str | None
    etag: NotRequired[str]
    """Of one that was read or written by itself."""


class ListedItem(Item):
    """An item in a list of /v1."""

    score: float
    model: str
    reason: Reason
    columns: NotRequired[dict[str, dict[str, float]]]


class ItemList(TypedDict):
    """A list of /v1; events that it leads to name its `recommendation_id`."""

    recommendation_id: str
    items: list[ListedItem]
    bundle: str
    next: str | None
    fallback: NotRequired[str]
    unknown_items: NotRequired[list[str]]


class OrderedItems(TypedDict):
    """Your own items in order, and those that are in no list."""

    recommendation_id: str
    items: list[ListedItem]
    bundle: str
    unknown_items: list[str]
    withdrawn_items: list[str]


class FoundItems(ItemList):
    """A page of what a search found."""

    total: int
    facets: dict[str, dict[str, Any]]


class ItemPage(TypedDict):
    """Items, and where the next ones begin."""

    items: list[Item]
    missing: list[str]
    next_cursor: str | None


class CategoryCount(TypedDict):
    """A category and how many items in it may be in lists."""

    path: str
    items: int


class FieldProblem(TypedDict):
    """What is wrong with a field of a row."""

    field: str | None
    detail: str


class RowResult(TypedDict):
    """What became of an item of a batch: status 201, 200 or 422."""

    index: int
    id: str | None
    status: int
    errors: list[FieldProblem] | None


class BatchResult(TypedDict):
    """What became of a batch of items or users."""

    stored: int
    refused: int
    results: list[RowResult]


class RefusedRow(TypedDict):
    """An event that was not stored, and why."""

    index: int
    errors: list[FieldProblem]


class EventsResult(TypedDict):
    """What became of events."""

    stored: int
    refused: int
    errors: list[RefusedRow]


class EventType(TypedDict):
    """A word for events, and what it counts as."""

    name: str
    counts_as: str
    weight: float | None


class ShopUser(TypedDict):
    """A user of /v1."""

    id: str
    interests: list[str]
    labels: list[str]
    attributes: dict[str, Any]
    created_at: str
    updated_at: str
    etag: NotRequired[str]


class MergedUser(TypedDict):
    """What a merge did."""

    id: str
    moved_events: int


class ListFigures(TypedDict):
    """What the lists of one name brought."""

    name: str
    shown: int
    items: int
    clicks: int
    click_rate: float | None
    purchases: int
    conversion: float | None
    revenue: float


class ListMetrics(TypedDict):
    """What the lists of a period brought."""

    since: str
    until: str
    lists: list[ListFigures]
