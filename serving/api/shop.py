"""The shop: home page, products like one product, and search. Paths as in the original shop API."""

from typing import Annotated

from fastapi import APIRouter, Body, Path, Query
from starlette.responses import Response

from serving.api.errors import ApiError, documented
from serving.api.fields import (
    LISTS_ARE_SHOWN,
    Explain,
    Kind,
    ListNames,
    ProductId,
    QueryText,
    ShopUserId,
    clamp,
    kinds_of,
)
from serving.api.quick_route import QuickRoute
from serving.api.responses import answer
from serving.api.schemas.shop import (
    CartAnswer,
    CartRequest,
    Home,
    SearchAnswer,
    SimilarProducts,
    home_shape,
    product_list,
)
from serving.api.state import Plane
from serving.types import HOME_LISTS

router = APIRouter(prefix="/recommendations", tags=["shop"], route_class=QuickRoute)

Limit = Annotated[int, Query(description="Items in a list, default 20; clamped to 1..60.")]
SearchLimit = Annotated[int, Query(description="Results, default 2000; clamped to 1..6000.")]
User = Annotated[ShopUserId, Query(description="1 to 50 letters or digits.", examples=["user123"])]
ProductInPath = Annotated[
    ProductId, Path(description="10 upper-case letters or digits.", examples=["ABCD1234XY"])
]
CartBody = Annotated[CartRequest, Body(examples=[{"items": ["ABCD1234XY", "ABCD1234XZ"], "n": 10}])]
QueryInUrl = Annotated[
    QueryText, Query(description="1 to 255 characters after trimming.", examples=["earbuds"])
]


@router.get(
    "/home",
    dependencies=LISTS_ARE_SHOWN,
    response_model=Home,
    responses=documented(400, 422),
    summary="Home page lists of a user",
)
async def home(
    plane: Plane,
    user_id: User,
    *,
    response_limit: Limit = 20,
    kind: Kind = None,
    explain: Explain = False,
    lists: ListNames = None,
) -> Response:
    """Five lists, or those named in `lists`. `personalized` is empty for a new user and after 30 days without
    activity."""
    asked = lists or HOME_LISTS
    made = await plane.lists.home(
        user_id, clamp(response_limit, 1, 60), kinds_of(kind, "product"), lists=asked, explain=explain
    )
    return answer(home_shape(made, asked, explain))


@router.get(
    "/product/{product_id}",
    dependencies=LISTS_ARE_SHOWN,
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
    of = None if kinds is None else kinds | {"product"}
    similar = await plane.lists.similar_products(
        product_id, clamp(response_limit, 1, 60), kinds, of=of, explain=explain
    )
    return answer({"similar": product_list(similar, explain)})


@router.post(
    "/cart",
    dependencies=LISTS_ARE_SHOWN,
    response_model=CartAnswer,
    responses=documented(400, 413, 422),
    summary="Products that go with a cart",
)
async def cart(plane: Plane, body: CartBody, kind: Kind = None, explain: Explain = False) -> Response:
    """What is bought with the cart's items, by association rules of one and two items; filled up by what the
    same users chose. Items without either are compared by meaning."""
    ranked, unknown = await plane.lists.for_cart(
        dict.fromkeys(body.items), body.n, kinds_of(kind, "product"), explain=explain
    )
    return answer({"recommendations": product_list(ranked, explain), "unknown_items": unknown})


@router.get(
    "/search",
    dependencies=LISTS_ARE_SHOWN,
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
