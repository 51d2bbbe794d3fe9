"""The endpoints as data: what to send and how to read the response. Shared by both clients."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx

from client import types
from client.errors import AnswerUnreadable, NotFound, RequestRefused, ServiceFailed, TooManyRequests

T = TypeVar("T")

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
_READS_BY_POST = frozenset(
    {"/matrix_factor/similar", "/matrix_factor/user", "/recommendations", "/search", "/api/recommend"}
)
_KINDS: Mapping[int, type[RequestRefused]] = {404: NotFound, 429: TooManyRequests}


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request; `read` takes the decoded body (None when it is empty)."""

    method: str
    path: str
    read: Callable[[Any], T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def repeatable(self) -> bool:
        """Whether it may be done twice: it reads, sets, deletes, or carries a key of its own."""
        return self.method in _IDEMPOTENT or self.path in _READS_BY_POST or "Idempotency-Key" in self.headers


def outcome(call: Call[T], response: httpx.Response) -> T:
    """What the call gives. Raises RequestRefused, ServiceFailed, or a kind of them: see `client.errors`."""
    if response.is_success:
        try:
            return call.read(response.json() if response.content else None)
        except (ValueError, KeyError, TypeError) as unread:
            raise AnswerUnreadable(response.status_code, response.text) from unread
    error = _error(response)
    message = str(error.get("message", response.reason_phrase))
    if response.is_server_error or not response.is_client_error:
        raise ServiceFailed(f"{response.status_code}: {message}", response.status_code)
    kind = _KINDS.get(response.status_code, RequestRefused)
    raise kind(response.status_code, str(error.get("code", "error")), message, error.get("field"))


def _error(response: httpx.Response) -> dict[str, Any]:
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


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


def home(user_id: str, limit: int | None, kind: types.Kind | None, explain: bool) -> Call[types.Home]:
    query = _list_query(kind, explain, user_id=user_id, response_limit=limit)
    return Call("GET", "/recommendations/home", _whole, query)


def similar_products(
    product_id: str, limit: int | None, kind: types.Kind | None, explain: bool
) -> Call[list[types.Product]]:
    query = _list_query(kind, explain, response_limit=limit)
    return Call("GET", f"/recommendations/product/{_id(product_id)}", _key("similar"), query)


def search(
    query: str, limit: int | None, kind: types.Kind | None, explain: bool
) -> Call[types.SearchResults]:
    wanted = _list_query(kind, explain, query=query, response_limit=limit)
    return Call("GET", "/recommendations/search", _whole, wanted)


def log_interaction(user_id: str, event_type: str, product_id: str | None, query: str | None) -> Call[None]:
    body = _given(user_id=user_id, event_type=event_type, product_id=product_id, query=query)
    return Call("POST", "/api/v1/interactions/interactions", _nothing, body=body, headers=_idempotency_key())


def interactions(user_id: str, days: int | None) -> Call[list[types.ShopInteraction]]:
    path = f"/api/v1/interactions/interactions/{_id(user_id)}"
    return Call("GET", path, _key("interactions"), _given(days=days))


def similar_items(
    item_id: str, n: int | None, kind: types.Kind | None, explain: bool
) -> Call[list[types.FactorItem]]:
    body = _given(item_id=item_id, n=n)
    query = _list_query(kind, explain)
    return Call("POST", "/matrix_factor/similar", _key("recommendations"), query, body)


def items_for_user(
    user_id: str, n: int | None, filter_already_liked: bool, kind: types.Kind | None, explain: bool
) -> Call[list[types.FactorItem]]:
    body = _given(user_id=user_id, n=n, filter_already_liked=filter_already_liked)
    query = _list_query(kind, explain)
    return Call("POST", "/matrix_factor/user", _key("recommendations"), query, body)


def semantic_search(
    query: str, top_k: int | None, kind: types.Kind | None, explain: bool
) -> Call[list[types.FoundItem]]:
    return Call(
        "POST", "/search", _key("results"), _list_query(kind, explain), _given(query=query, top_k=top_k)
    )


def train_model(model_type: str, force_retrain: bool) -> Call[types.Training]:
    body = {"model_type": model_type, "force_retrain": force_retrain}
    return Call("POST", "/training", _whole, body=body)


def status() -> Call[dict[str, Any]]:
    return Call("GET", "/status", _whole)


def create_user(user_id: str, interests: list[str], skill_level: str | None) -> Call[types.User]:
    body = {"user_id": user_id, "interests": interests, **_given(skill_level=skill_level)}
    return Call("POST", "/users", _whole, body=body)


def user(user_id: str) -> Call[types.User]:
    return Call("GET", f"/users/{_id(user_id)}", _whole)


def update_user(user_id: str, interests: list[str] | None, skill_level: str | None) -> Call[types.User]:
    body = _given(interests=interests, skill_level=skill_level)
    return Call("PUT", f"/users/{_id(user_id)}", _whole, body=body)


def create_content(
    content_id: str, title: str, category: str | None, tags: list[str], description: str | None
) -> Call[types.Content]:
    body = {"content_id": content_id, "title": title, "tags": tags}
    optional = _given(category=category, description=description)
    return Call("POST", "/content", _whole, body={**body, **optional})


def content(content_id: str) -> Call[types.Content]:
    return Call("GET", f"/content/{_id(content_id)}", _whole)


def delete_content(content_id: str) -> Call[None]:
    return Call("DELETE", f"/content/{_id(content_id)}", _nothing)


def item(item_id: str) -> Call[types.ItemState]:
    return Call("GET", f"/items/{_id(item_id)}", _whole)


def change_item(item_id: str, changes: Mapping[str, Any]) -> Call[types.ItemState]:
    return Call("PATCH", f"/items/{_id(item_id)}", _whole, body=changes)


def delete_item(item_id: str) -> Call[None]:
    return Call("DELETE", f"/items/{_id(item_id)}", _nothing)


def content_of(category: str, offset: int | None, limit: int | None) -> Call[list[types.Content]]:
    return Call("GET", f"/content/category/{_id(category)}", _whole, _given(offset=offset, limit=limit))


def recommend_content(
    wanted: Mapping[str, Any], kind: types.Kind | None, explain: bool
) -> Call[list[types.RecommendedContent]]:
    query = _list_query(kind, explain)
    return Call("POST", "/recommendations", _key("recommendations"), query, _given(**wanted))


def interact(
    user_id: str, content_id: str, interaction_type: str, duration_seconds: float | None
) -> Call[types.ContentInteraction]:
    body = _given(
        user_id=user_id,
        content_id=content_id,
        interaction_type=interaction_type,
        duration_seconds=duration_seconds,
    )
    return Call("POST", "/recommendations/interact", _whole, body=body, headers=_idempotency_key())


def feedback(user_id: str, content_id: str, feedback_type: str) -> Call[types.ContentInteraction]:
    body = {"user_id": user_id, "content_id": content_id, "feedback_type": feedback_type}
    return Call("POST", "/recommendations/feedback", _whole, body=body, headers=_idempotency_key())


def train() -> Call[types.Training]:
    body = {"retrain_cf": True, "regenerate_embeddings": True}
    return Call("POST", "/training/train", _whole, body=body)


def training_status(run_id: str | None) -> Call[types.TrainingStatus]:
    return Call("GET", "/training/status", _whole, _given(run_id=run_id))


def articles(page: int | None, page_size: int | None) -> Call[types.ArticlePage]:
    return Call("GET", "/api/articles", _whole, _given(page=page, page_size=page_size))


def create_article(title: str, content: str, category: str | None) -> Call[types.Article]:
    body = {"title": title, "content": content, **_given(category=category)}
    return Call("POST", "/api/articles", _whole, body=body)


def article(article_id: int) -> Call[types.Article]:
    return Call("GET", f"/api/articles/{_id(article_id)}", _whole)


def replace_article(article_id: int, title: str, content: str, category: str | None) -> Call[types.Article]:
    body = {"title": title, "content": content, "category": category}
    return Call("PUT", f"/api/articles/{_id(article_id)}", _whole, body=body)


def change_article(article_id: int, changes: Mapping[str, Any]) -> Call[types.Article]:
    return Call("PATCH", f"/api/articles/{_id(article_id)}", _whole, body=changes)


def delete_article(article_id: int) -> Call[None]:
    return Call("DELETE", f"/api/articles/{_id(article_id)}", _nothing)


def recommend_articles(
    query: str | None, article_id: int | None, limit: int | None, kind: types.Kind | None, explain: bool
) -> Call[list[types.RecommendedArticle]]:
    body = _given(query=query, article_id=article_id, limit=limit)
    return Call("POST", "/api/recommend", _key("recommendations"), _list_query(kind, explain), body)
