"""Semantic articles: their table, and the nearest to a text or to one of them. Paths as in their document."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from serving.api.errors import ApiError, documented
from serving.api.fields import LISTS_ARE_SHOWN, ArticleId, Explain, Kind, kinds_of
from serving.api.protocol import PlaneProtocol
from serving.api.responses import answer
from serving.api.schemas.articles import (
    Article,
    ArticleIn,
    ArticlePage,
    ArticlePatch,
    RecommendAnswer,
    RecommendRequest,
    article_changes,
    article_shape,
    recommended_shape,
)
from serving.api.state import Plane
from serving.catalogue.drafts import ItemDraft
from serving.errors import ItemNotFoundError
from serving.types import Item

router = APIRouter(prefix="/api", tags=["articles"])

PAGE_SIZE = 20
MAX_PAGE_SIZE = 100
MAX_PAGE = 1_000_000

_WHOLE = {"title": "New Tech Trend", "content": "Quantum computing is changing encryption standards."}
_RECOMMEND_EXAMPLES = {
    "text": {"summary": "Near a text", "value": {"query": "How to build neural networks"}},
    "article": {"summary": "Near an article", "value": {"article_id": 1}},
}
IdInPath = Annotated[ArticleId, Path(examples=[1])]
Whole = Annotated[ArticleIn, Body(examples=[_WHOLE])]
Patch = Annotated[ArticlePatch, Body(examples=[{"title": "Newer Tech Trend"}])]
Page = Annotated[int, Query(description="Starts at 1; a page that does not exist returns 404.")]
PageSize = Annotated[int, Query(description=f"Articles on a page; clamped to 1..{MAX_PAGE_SIZE}.")]


@router.get("/articles", response_model=ArticlePage, responses=documented(400, 404), summary="List articles")
async def list_articles(
    request: Request, plane: Plane, page: Page = 1, page_size: PageSize = PAGE_SIZE
) -> Response:
    """One page; `next` and `previous` are the addresses of its neighbours."""
    size = max(1, min(page_size, MAX_PAGE_SIZE))
    if not 1 <= page <= MAX_PAGE:
        raise _no_page()
    items, count = await plane.list_items("article", None, (page - 1) * size, size)
    if not items and page > 1:
        raise _no_page()
    more = page * size < count
    return answer(
        {
            "count": count,
            "next": str(request.url.include_query_params(page=page + 1)) if more else None,
            "previous": str(request.url.include_query_params(page=page - 1)) if page > 1 else None,
            "results": [article_shape(item) for item in items],
        }
    )


@router.post(
    "/articles",
    status_code=201,
    response_model=Article,
    responses=documented(400, 401, 413, 503),
    summary="Create an article",
)
async def create_article(plane: Plane, body: Whole) -> Response:
    """It gets the next number and can be found from the next request on."""
    item = await plane.create_item(
        ItemDraft(kind="article", title=body.title, description=body.content, category=body.category)
    )
    return answer(article_shape(item), 201)


@router.get("/articles/{article_id}", response_model=Article, responses=documented(404), summary="An article")
async def get_article(plane: Plane, article_id: IdInPath) -> Response:
    return answer(article_shape(await _found(plane, article_id)))


@router.put(
    "/articles/{article_id}",
    response_model=Article,
    responses=documented(400, 401, 404, 409, 413, 503),
    summary="Replace an article",
)
async def replace_article(plane: Plane, article_id: IdInPath, body: Whole) -> Response:
    """Sets every field; omitted fields are cleared."""
    item = await _found(plane, article_id)
    return answer(article_shape(await plane.update_item(item.item_id, article_changes(body))))


@router.patch(
    "/articles/{article_id}",
    response_model=Article,
    responses=documented(400, 401, 404, 409, 413, 503),
    summary="Change an article",
)
async def change_article(plane: Plane, article_id: IdInPath, body: Patch) -> Response:
    """Omitted fields keep their values."""
    item = await _found(plane, article_id)
    changes = article_changes(body)
    return answer(article_shape(await plane.update_item(item.item_id, changes) if changes else item))


@router.delete(
    "/articles/{article_id}",
    status_code=204,
    responses=documented(401, 404, 503),
    summary="Delete an article",
)
async def delete_article(plane: Plane, article_id: IdInPath) -> Response:
    """Gone from all lists from the next request on."""
    item = await _found(plane, article_id)
    await plane.delete_item(item.item_id)
    return Response(status_code=204)


@router.post(
    "/recommend",
    dependencies=LISTS_ARE_SHOWN,
    response_model=RecommendAnswer,
    responses=documented(400, 404, 413, 503),
    summary="Similar articles",
)
async def recommend(
    plane: Plane,
    body: Annotated[RecommendRequest, Body(openapi_examples=_RECOMMEND_EXAMPLES)],
    kind: Kind = None,
    explain: Explain = False,
) -> Response:
    """Give exactly one of `query` and `article_id`, otherwise 400. The article itself is not included."""
    kinds = kinds_of(kind, "article")
    if body.query is not None:
        ranked = await plane.lists.semantic_search(body.query, body.limit, kinds, explain=explain)
    else:
        item = await _found(plane, body.article_id or 0)
        ranked = await plane.lists.similar_by_vector(item.item_id, body.limit, kinds, explain=explain)
    return answer({"recommendations": [recommended_shape(entry, explain) for entry in ranked]})


async def _found(plane: PlaneProtocol, article_id: int) -> Item:
    item = await plane.get_article(article_id)
    if item is None or item.kind != "article":
        raise ItemNotFoundError(str(article_id))
    return item


def _no_page() -> ApiError:
    return ApiError(404, "no_such_page", "invalid page", "page")
