"""The endpoints: what to send, and how to read the response. Both clients have a method for each.

Omitted arguments use the service's defaults.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal
from urllib.parse import quote
from uuid import uuid4

from . import types
from .calls import Call


def home(
    user_id: str,
    *,
    limit: int | None = None,
    kind: types.Kind | None = None,
    explain: bool = False,
    lists: Sequence[str] | None = None,
    shown: int | None = None,
) -> Call[types.Home]:
    """The home page lists for a user: all, or those named in `lists`.

    `shown` is how many items of each the page shows: so many count as seen.
    """
    named = None if lists is None else ",".join(lists)
    query = _list_query(kind, explain, user_id=user_id, response_limit=limit, lists=named, shown=shown)
    return Call("GET", "/recommendations/home", _whole, query)


def similar_products(
    product_id: str, *, limit: int | None = None, kind: types.Kind | None = None, explain: bool = False
) -> Call[list[types.Product]]:
    """Products similar to a product. Raises NotFound."""
    query = _list_query(kind, explain, response_limit=limit)
    return Call("GET", f"/recommendations/product/{_id(product_id)}", _key("similar"), query)


def for_cart(
    items: Sequence[str], *, n: int | None = None, kind: types.Kind | None = None, explain: bool = False
) -> Call[list[types.Product]]:
    """Products that go with the items of a cart; items that the service does not know are left out."""
    body = {"items": list(items), **_given(n=n)}
    query = _list_query(kind, explain)
    return Call("POST", "/recommendations/cart", _key("recommendations"), query, body)


def search(
    query: str, *, limit: int | None = None, kind: types.Kind | None = None, explain: bool = False
) -> Call[types.SearchResults]:
    """Products matching a query, by words and by meaning."""
    wanted = _list_query(kind, explain, query=query, response_limit=limit)
    return Call("GET", "/recommendations/search", _whole, wanted)


def click(user_id: str, product_id: str) -> Call[None]:
    """Log a click on a product; it is stored when this returns."""
    return _log(user_id=user_id, event_type="product_click", product_id=product_id)


def searched(user_id: str, query: str) -> Call[None]:
    """Log a search; it is stored when this returns."""
    return _log(user_id=user_id, event_type="search_query", query=query)


def interactions(user_id: str, *, days: int | None = None) -> Call[list[types.ShopInteraction]]:
    """A user's interactions, newest first."""
    path = f"/api/v1/interactions/interactions/{_id(user_id)}"
    return Call("GET", path, _key("interactions"), _given(days=days))


def similar_items(
    item_id: str, *, n: int | None = None, kind: types.Kind | None = None, explain: bool = False
) -> Call[list[types.FactorItem]]:
    """Items chosen by the same users. Raises NotFound."""
    body = _given(item_id=item_id, n=n)
    query = _list_query(kind, explain)
    return Call("POST", "/matrix_factor/similar", _key("recommendations"), query, body)


def items_for_user(
    user_id: str,
    *,
    n: int | None = None,
    filter_already_liked: bool = True,
    kind: types.Kind | None = None,
    explain: bool = False,
) -> Call[list[types.FactorItem]]:
    """Items recommended to a user by matrix factorisation."""
    body = _given(user_id=user_id, n=n, filter_already_liked=filter_already_liked)
    query = _list_query(kind, explain)
    return Call("POST", "/matrix_factor/user", _key("recommendations"), query, body)


def semantic_search(
    query: str, *, top_k: int | None = None, kind: types.Kind | None = None, explain: bool = False
) -> Call[list[types.FoundItem]]:
    """Items whose text is closest in meaning to a query."""
    return Call(
        "POST", "/search", _key("results"), _list_query(kind, explain), _given(query=query, top_k=top_k)
    )


def train_model(model_type: Literal["mf", "ss"], *, force_retrain: bool = False) -> Call[types.Training]:
    """Train a model unless it is already trained."""
    body = {"model_type": model_type, "force_retrain": force_retrain}
    return Call("POST", "/training", _whole, body=body)


def status() -> Call[dict[str, Any]]:
    """Status of the data, models, bundle and latest training run."""
    return Call("GET", "/status", _whole)


def create_user(
    user_id: str, *, interests: Sequence[str] = (), skill_level: str | None = None
) -> Call[types.User]:
    """Create a user. Raises RequestRefused with status 409 when the id is taken."""
    body = {"user_id": user_id, "interests": list(interests), **_given(skill_level=skill_level)}
    return Call("POST", "/users", _whole, body=body)


def user(user_id: str) -> Call[types.User]:
    """A user and their history. Raises NotFound."""
    return Call("GET", f"/users/{_id(user_id)}", _whole)


def update_user(
    user_id: str, *, interests: Sequence[str] | None = None, skill_level: str | None = None
) -> Call[types.User]:
    """Change a user; omitted fields keep their values. Raises NotFound."""
    body = _given(interests=None if interests is None else list(interests), skill_level=skill_level)
    return Call("PUT", f"/users/{_id(user_id)}", _whole, body=body)


def create_content(
    content_id: str,
    title: str,
    *,
    category: str | None = None,
    tags: Sequence[str] = (),
    description: str | None = None,
) -> Call[types.Content]:
    """Create a content item. Raises RequestRefused with status 409 when the id is taken."""
    body = {"content_id": content_id, "title": title, "tags": list(tags)}
    optional = _given(category=category, description=description)
    return Call("POST", "/content", _whole, body={**body, **optional})


def content(content_id: str) -> Call[types.Content]:
    """A content item. Raises NotFound."""
    return Call("GET", f"/content/{_id(content_id)}", _whole)


def delete_content(content_id: str) -> Call[None]:
    """Delete a content item. Raises NotFound."""
    return Call("DELETE", f"/content/{_id(content_id)}", _nothing)


def item(item_id: str) -> Call[types.ItemState]:
    """An item of any kind, also one that is in no list. Raises NotFound."""
    return Call("GET", f"/items/{_id(item_id)}", _whole)


def change_item(item_id: str, **changes: bool | str | None) -> Call[types.ItemState]:
    """Set some of hidden, available, publish_at, expire_at (ISO 8601 with a zone). Raises NotFound."""
    return Call("PATCH", f"/items/{_id(item_id)}", _whole, body=changes)


def content_of(
    category: str, *, offset: int | None = None, limit: int | None = None
) -> Call[list[types.Content]]:
    """Content items of a category."""
    return Call("GET", f"/content/category/{_id(category)}", _whole, _given(offset=offset, limit=limit))


def recommend_content(
    user_id: str,
    *,
    n: int | None = None,
    use_cf: bool = True,
    use_embeddings: bool = True,
    cf_weight: float | None = None,
    kind: types.Kind | None = None,
    explain: bool = False,
) -> Call[list[types.RecommendedContent]]:
    """Content recommended to a user by the hybrid model."""
    body = _given(
        user_id=user_id,
        n_recommendations=n,
        use_cf=use_cf,
        use_embeddings=use_embeddings,
        cf_weight=cf_weight,
    )
    return Call("POST", "/recommendations", _key("recommendations"), _list_query(kind, explain), body)


def interact(
    user_id: str,
    content_id: str,
    interaction_type: Literal["click", "like", "skip", "view_time"],
    *,
    duration_seconds: float | None = None,
) -> Call[types.ContentInteraction]:
    """Record a user's interaction with a content item. Raises NotFound."""
    body = _given(
        user_id=user_id,
        content_id=content_id,
        interaction_type=interaction_type,
        duration_seconds=duration_seconds,
    )
    return Call("POST", "/recommendations/interact", _whole, body=body, headers=_idempotency_key())


def feedback(
    user_id: str, content_id: str, feedback_type: Literal["positive", "negative", "neutral"]
) -> Call[types.ContentInteraction]:
    """Record a user's feedback on a content item. Raises NotFound."""
    body = {"user_id": user_id, "content_id": content_id, "feedback_type": feedback_type}
    return Call("POST", "/recommendations/feedback", _whole, body=body, headers=_idempotency_key())


def train() -> Call[types.Training]:
    """Start training all models."""
    body = {"retrain_cf": True, "regenerate_embeddings": True}
    return Call("POST", "/training/train", _whole, body=body)


def training_status(run_id: str | None = None) -> Call[types.TrainingStatus]:
    """Status of a training run, by default the latest."""
    return Call("GET", "/training/status", _whole, _given(run_id=run_id))


def articles(*, page: int | None = None, page_size: int | None = None) -> Call[types.ArticlePage]:
    """One page of articles."""
    return Call("GET", "/api/articles", _whole, _given(page=page, page_size=page_size))


def create_article(title: str, content: str, *, category: str | None = None) -> Call[types.Article]:
    """Create an article."""
    body = {"title": title, "content": content, **_given(category=category)}
    return Call("POST", "/api/articles", _whole, body=body)


def article(article_id: int) -> Call[types.Article]:
    """An article. Raises NotFound."""
    return Call("GET", f"/api/articles/{_id(article_id)}", _whole)


def replace_article(
    article_id: int, title: str, content: str, *, category: str | None = None
) -> Call[types.Article]:
    """Replace every field of an article. Raises NotFound."""
    body = {"title": title, "content": content, "category": category}
    return Call("PUT", f"/api/articles/{_id(article_id)}", _whole, body=body)


def change_article(article_id: int, **changes: str | None) -> Call[types.Article]:
    """Change some fields of an article: title, content, category. Raises NotFound."""
    return Call("PATCH", f"/api/articles/{_id(article_id)}", _whole, body=changes)


def delete_article(article_id: int) -> Call[None]:
    """Delete an article. Raises NotFound."""
    return Call("DELETE", f"/api/articles/{_id(article_id)}", _nothing)


def recommend_articles(
    *,
    query: str | None = None,
    article_id: int | None = None,
    limit: int | None = None,
    kind: types.Kind | None = None,
    explain: bool = False,
) -> Call[list[types.RecommendedArticle]]:
    """Articles closest to a text or to an article; give exactly one of the two."""
    body = _given(query=query, article_id=article_id, limit=limit)
    return Call("POST", "/api/recommend", _key("recommendations"), _list_query(kind, explain), body)


def _log(**values: Any) -> Call[None]:
    path = "/api/v1/interactions/interactions"
    return Call("POST", path, _nothing, body=_given(**values), headers=_idempotency_key())


def _id(value: str | int) -> str:
    return quote(str(value), safe="")


def _whole(body: Any) -> Any:
    return body


def _key(name: str) -> Callable[[Any], Any]:
    return lambda body: body[name]


def _nothing(body: Any) -> None:
    return None


def _given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def _idempotency_key() -> dict[str, str]:
    """Headers that make a retried write happen only once."""
    return {"Idempotency-Key": f'"{uuid4()}"'}


def _list_query(kind: types.Kind | None, explain: bool, **values: Any) -> dict[str, Any]:
    return _given(kind=kind, explain="true" if explain else None, **values)
