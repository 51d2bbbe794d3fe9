"""The asynchronous client. One method per endpoint; omitted arguments use the service's defaults."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar

import httpx

from client import calls, types
from client.calls import Call
from client.retries import send_async

T = TypeVar("T")


class AsyncShortlist:
    """A connection pool to one service. Use it in async `with`, or close it.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"X-API-Key": api_key} if api_key else {}
        self._http = httpx.AsyncClient(
            base_url=address, headers=headers, timeout=timeout, transport=transport
        )
        self._attempts = attempts

    async def __aenter__(self) -> "AsyncShortlist":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(self, call: Call[T]) -> T:
        response = await send_async(self._attempts, self._http, call)
        return calls.outcome(call, response)

    async def home(
        self, user_id: str, *, limit: int | None = None, kind: types.Kind | None = None, explain: bool = False
    ) -> types.Home:
        """The home page lists for a user."""
        return await self._send(calls.home(user_id, limit, kind, explain))

    async def similar_products(
        self,
        product_id: str,
        *,
        limit: int | None = None,
        kind: types.Kind | None = None,
        explain: bool = False,
    ) -> list[types.Product]:
        """Products similar to a product. Raises NotFound."""
        return await self._send(calls.similar_products(product_id, limit, kind, explain))

    async def search(
        self, query: str, *, limit: int | None = None, kind: types.Kind | None = None, explain: bool = False
    ) -> types.SearchResults:
        """Products matching a query, by words and by meaning."""
        return await self._send(calls.search(query, limit, kind, explain))

    async def click(self, user_id: str, product_id: str) -> None:
        """Log a click on a product; it is stored when this returns."""
        await self._send(calls.log_interaction(user_id, "product_click", product_id, None))

    async def searched(self, user_id: str, query: str) -> None:
        """Log a search; it is stored when this returns."""
        await self._send(calls.log_interaction(user_id, "search_query", None, query))

    async def interactions(self, user_id: str, *, days: int | None = None) -> list[types.ShopInteraction]:
        """A user's interactions, newest first."""
        return await self._send(calls.interactions(user_id, days))

    async def similar_items(
        self, item_id: str, *, n: int | None = None, kind: types.Kind | None = None, explain: bool = False
    ) -> list[types.FactorItem]:
        """Items chosen by the same users. Raises NotFound."""
        return await self._send(calls.similar_items(item_id, n, kind, explain))

    async def items_for_user(
        self,
        user_id: str,
        *,
        n: int | None = None,
        filter_already_liked: bool = True,
        kind: types.Kind | None = None,
        explain: bool = False,
    ) -> list[types.FactorItem]:
        """Items recommended to a user by matrix factorisation."""
        return await self._send(calls.items_for_user(user_id, n, filter_already_liked, kind, explain))

    async def semantic_search(
        self, query: str, *, top_k: int | None = None, kind: types.Kind | None = None, explain: bool = False
    ) -> list[types.FoundItem]:
        """Items whose text is closest in meaning to a query."""
        return await self._send(calls.semantic_search(query, top_k, kind, explain))

    async def train_model(
        self, model_type: Literal["mf", "ss"], *, force_retrain: bool = False
    ) -> types.Training:
        """Train a model unless it is already trained."""
        return await self._send(calls.train_model(model_type, force_retrain))

    async def status(self) -> dict[str, Any]:
        """Status of the data, models, bundle and latest training run."""
        return await self._send(calls.status())

    async def create_user(
        self, user_id: str, *, interests: Sequence[str] = (), skill_level: str | None = None
    ) -> types.User:
        """Create a user. Raises RequestRefused with status 409 when the id is taken."""
        return await self._send(calls.create_user(user_id, list(interests), skill_level))

    async def user(self, user_id: str) -> types.User:
        """A user and their history. Raises NotFound."""
        return await self._send(calls.user(user_id))

    async def update_user(
        self, user_id: str, *, interests: Sequence[str] | None = None, skill_level: str | None = None
    ) -> types.User:
        """Change a user; omitted fields keep their values. Raises NotFound."""
        return await self._send(
            calls.update_user(user_id, None if interests is None else list(interests), skill_level)
        )

    async def create_content(
        self,
        content_id: str,
        title: str,
        *,
        category: str | None = None,
        tags: Sequence[str] = (),
        description: str | None = None,
    ) -> types.Content:
        """Create a content item. Raises RequestRefused with status 409 when the id is taken."""
        return await self._send(calls.create_content(content_id, title, category, list(tags), description))

    async def content(self, content_id: str) -> types.Content:
        """A content item. Raises NotFound."""
        return await self._send(calls.content(content_id))

    async def delete_content(self, content_id: str) -> None:
        """Delete a content item. Raises NotFound."""
        await self._send(calls.delete_content(content_id))

    async def item(self, item_id: str) -> types.ItemState:
        """An item of any kind, also one that is in no list. Raises NotFound."""
        return await self._send(calls.item(item_id))

    async def change_item(self, item_id: str, **changes: bool | str | None) -> types.ItemState:
        """Set some of hidden, available, publish_at, expire_at (ISO 8601 with a zone). Raises NotFound."""
        return await self._send(calls.change_item(item_id, changes))

    async def delete_item(self, item_id: str) -> None:
        """Delete an item of any kind. Raises NotFound."""
        await self._send(calls.delete_item(item_id))

    async def content_of(
        self, category: str, *, offset: int | None = None, limit: int | None = None
    ) -> list[types.Content]:
        """Content items of a category."""
        return await self._send(calls.content_of(category, offset, limit))

    async def recommend_content(
        self,
        user_id: str,
        *,
        n: int | None = None,
        use_cf: bool = True,
        use_embeddings: bool = True,
        cf_weight: float | None = None,
        kind: types.Kind | None = None,
        explain: bool = False,
    ) -> list[types.RecommendedContent]:
        """Content recommended to a user by the hybrid model."""
        return await self._send(
            calls.recommend_content(
                {
                    "user_id": user_id,
                    "n_recommendations": n,
                    "use_cf": use_cf,
                    "use_embeddings": use_embeddings,
                    "cf_weight": cf_weight,
                },
                kind,
                explain,
            )
        )

    async def interact(
        self,
        user_id: str,
        content_id: str,
        interaction_type: Literal["click", "like", "skip", "view_time"],
        *,
        duration_seconds: float | None = None,
    ) -> types.ContentInteraction:
        """Record a user's interaction with a content item. Raises NotFound."""
        return await self._send(calls.interact(user_id, content_id, interaction_type, duration_seconds))

    async def feedback(
        self, user_id: str, content_id: str, feedback_type: Literal["positive", "negative", "neutral"]
    ) -> types.ContentInteraction:
        """Record a user's feedback on a content item. Raises NotFound."""
        return await self._send(calls.feedback(user_id, content_id, feedback_type))

    async def train(self) -> types.Training:
        """Start training all models."""
        return await self._send(calls.train())

    async def training_status(self, run_id: str | None = None) -> types.TrainingStatus:
        """Status of a training run, by default the latest."""
        return await self._send(calls.training_status(run_id))

    async def articles(self, *, page: int | None = None, page_size: int | None = None) -> types.ArticlePage:
        """One page of articles."""
        return await self._send(calls.articles(page, page_size))

    async def create_article(self, title: str, content: str, *, category: str | None = None) -> types.Article:
        """Create an article."""
        return await self._send(calls.create_article(title, content, category))

    async def article(self, article_id: int) -> types.Article:
        """An article. Raises NotFound."""
        return await self._send(calls.article(article_id))

    async def replace_article(
        self, article_id: int, title: str, content: str, *, category: str | None = None
    ) -> types.Article:
        """Replace every field of an article. Raises NotFound."""
        return await self._send(calls.replace_article(article_id, title, content, category))

    async def change_article(self, article_id: int, **changes: str | None) -> types.Article:
        """Change some fields of an article: title, content, category. Raises NotFound."""
        return await self._send(calls.change_article(article_id, changes))

    async def delete_article(self, article_id: int) -> None:
        """Delete an article. Raises NotFound."""
        await self._send(calls.delete_article(article_id))

    async def recommend_articles(
        self,
        *,
        query: str | None = None,
        article_id: int | None = None,
        limit: int | None = None,
        kind: types.Kind | None = None,
        explain: bool = False,
    ) -> list[types.RecommendedArticle]:
        """Articles closest to a text or to an article; give exactly one of the two."""
        return await self._send(calls.recommend_articles(query, article_id, limit, kind, explain))
