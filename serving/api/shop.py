"""The shop: home page, products like one product, and search. Paths as in its document."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from serving.api.errors import ApiError, documented
from serving.api.fields import Explain, Kind, ProductId, QueryText, ShopUserId, clamp, kinds_of
from serving.api.responses import answer
from serving.api.schemas.shop import Home, SearchAnswer, SimilarProducts, product_list
from serving.api.state import Plane
from serving.errors import ItemNotFound

router = APIRouter(prefix="/recommendations", tags=["shop"])

Limit = Annotated[int, Query(description="Items in a list, default 20; clamped to 1..60.")]
SearchLimit = Annotated[int, Query(description="Results, default 2000; clamped to 1..6000.")]
User = Annotated[ShopUserId, Query(description="1 to 50 letters or digits.", examples=["user123"])]
ProductInPath = Annotated[
    ProductId, Path(description="10 upper-case letters or digits.", examples=["ABCD1234XY"])
]
QueryInUrl = Annotated[
    QueryText, Query(description="1 to 255 characters after trimming.", examples=["earbuds"])
]


@router.get("/home", response_model=Home, responses=documented(400, 422), summary="Home page lists of a user")
async def home(
    plane: Plane, user_id: User, response_limit: Limit = 20, kind: Kind = None, explain: Explain = False
) -> Response:
    """Five lists. `personalized` is empty for a new user and after 30 days without activity."""
    lists = await plane.lists.home(
        user_id, clamp(response_limit, 1, 60), kinds_of(kind, "product"), explain=explain
    )
    return answer(
        {
            "personalized": product_list(lists.personalized, explain),
            "trending": product_list(lists.trending, explain),
            "best_value": product_list(lists.best_value, explain),
            "top_categories": {
                name: product_list(entries, explain) for name, entries in lists.top_categories.items()
            },
            "diverse_picks": product_list(lists.diverse_picks, explain),
        }
    )


@router.get(
    "/product/{product_id}",
    response_model=SimilarProducts,
    responses=documented(400, 404, 422),
    summary="Similar products",
)
async def product(
    plane: Plane,
    product_id: ProductInPath,
    response_limit: Limit = 20,
    kind: Kind = None,
    explain: Explain = False,
) -> Response:
    """Nearest products by name and sub-category."""
    kinds = kinds_of(kind, "product")
    item = await plane.get_item(product_id)
    if item is None or (kinds is not None and item.kind not in kinds | {"product"}):
        raise ItemNotFound(product_id)
    similar = await plane.lists.similar_products(
        product_id, clamp(response_limit, 1, 60), kinds, explain=explain
    )
    return answer({"similar": product_list(similar, explain)})


@router.get(
    "/search",
    response_model=SearchAnswer,
    response_model_exclude_none=True,
    responses=documented(400, 404, 422),
    summary="Search products",
)
async def search(
    plane: Plane,
    query: QueryInUrl,
    response_limit: SearchLimit = 2000,
    kind: Kind = None,
    explain: Explain = False,
) -> Response:
    """Synonyms are expanded and typing mistakes tolerated. When nothing matches, the results are trending
    items and `fallback_reason` says so; 404 only when there is nothing at all to show."""
    found = await plane.lists.search(
        query, clamp(response_limit, 1, 6000), kinds_of(kind, "product"), explain=explain
    )
    if not found.results:
        raise ApiError(404, "nothing_to_show", "nothing matches and there are no trending items")
    shape: dict[str, object] = {"results": product_list(found.results, explain)}
    if found.fallback_reason is not None:
        shape["fallback_reason"] = found.fallback_reason
    return answer(shape)
