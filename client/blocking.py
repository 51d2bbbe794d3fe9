"""The blocking client. Its methods are the endpoints of `client.endpoints`."""

from collections.abc import Callable
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

import httpx

from . import endpoints, lists, shop
from .calls import Call, name_after, outcome
from .retries import send

T = TypeVar("T")
P = ParamSpec("P")


def _method(endpoint: Callable[P, Call[T]]) -> Callable[Concatenate["Shortlist", P], T]:
    def method(self: "Shortlist", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._send(endpoint(*args, **kwargs))

    name_after(method, endpoint)
    return method


class Shortlist:
    """A connection pool to one service. Use it in `with`, or close it.

    Requests are sent again, `attempts` times and for about ten seconds in all, when the service answers 503
    or 429 or can't be reached; those that may be done twice also when the connection drops. Every method
    raises RequestRefused for 4xx, ServiceFailed for 5xx, for no answer and for one that can't be read.
    """

    def __init__(
        self,
        address: str,
        api_key: str | None = None,
        timeout: float = 10.0,
        attempts: int = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"X-API-Key": api_key} if api_key else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=timeout, transport=transport)
        self._attempts = attempts

    def __enter__(self) -> "Shortlist":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, call: Call[T]) -> T:
        response = send(self._attempts, self._http, call)
        return outcome(call, response)

    home = _method(endpoints.home)
    similar_products = _method(endpoints.similar_products)
    for_cart = _method(endpoints.for_cart)
    search = _method(endpoints.search)
    click = _method(endpoints.click)
    searched = _method(endpoints.searched)
    interactions = _method(endpoints.interactions)
    similar_items = _method(endpoints.similar_items)
    items_for_user = _method(endpoints.items_for_user)
    semantic_search = _method(endpoints.semantic_search)
    train_model = _method(endpoints.train_model)
    status = _method(endpoints.status)
    create_user = _method(endpoints.create_user)
    user = _method(endpoints.user)
    update_user = _method(endpoints.update_user)
    create_content = _method(endpoints.create_content)
    content = _method(endpoints.content)
    delete_content = _method(endpoints.delete_content)
    item = _method(endpoints.item)
    change_item = _method(endpoints.change_item)
    delete_item = _method(shop.delete_item)
    content_of = _method(endpoints.content_of)
    recommend_content = _method(endpoints.recommend_content)
    interact = _method(endpoints.interact)
    feedback = _method(endpoints.feedback)
    train = _method(endpoints.train)
    training_status = _method(endpoints.training_status)
    articles = _method(endpoints.articles)
    create_article = _method(endpoints.create_article)
    article = _method(endpoints.article)
    replace_article = _method(endpoints.replace_article)
    change_article = _method(endpoints.change_article)
    delete_article = _method(endpoints.delete_article)
    recommend_articles = _method(endpoints.recommend_articles)
    recommend = _method(lists.recommend)
    similar_to = _method(lists.similar_to)
    search_items = _method(lists.search_items)
    trending = _method(lists.trending)
    rerank = _method(lists.rerank)
    next_page = _method(lists.next_page)
    put_items = _method(shop.put_items)
    put_item = _method(shop.put_item)
    patch_item = _method(shop.patch_item)
    get_item = _method(shop.get_item)
    get_items = _method(shop.get_items)
    list_items = _method(shop.list_items)
    categories = _method(shop.categories)
    log_event = _method(shop.log_event)
    log_events = _method(shop.log_events)
    undo_event = _method(shop.undo_event)
    event_types = _method(shop.event_types)
    define_event_types = _method(shop.define_event_types)
    put_users = _method(shop.put_users)
    put_user = _method(shop.put_user)
    patch_user = _method(shop.patch_user)
    get_user = _method(shop.get_user)
    delete_user = _method(shop.delete_user)
    merge_user = _method(shop.merge_user)
    list_metrics = _method(shop.list_metrics)
