"""Matrix factorisation and semantic search. Paths as in their document."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from serving.api.errors import documented
from serving.api.fields import LISTS_ARE_SHOWN, Explain, Kind, kinds_of
from serving.api.quick_route import QuickRoute
from serving.api.responses import answer
from serving.api.schemas.matrix_factor import (
    FactorAnswer,
    SemanticSearchAnswer,
    SemanticSearchRequest,
    SimilarRequest,
    UserRequest,
    factor_shape,
    found_shape,
)
from serving.api.state import Plane

router = APIRouter(tags=["matrix factorisation"], route_class=QuickRoute)

SimilarBody = Annotated[SimilarRequest, Body(examples=[{"item_id": "ABCD1234XY", "n": 10}])]
UserBody = Annotated[
    UserRequest, Body(examples=[{"user_id": "user123", "n": 10, "filter_already_liked": True}])
]
SearchBody = Annotated[SemanticSearchRequest, Body(examples=[{"query": "washing machine", "top_k": 10}])]


@router.post(
    "/matrix_factor/similar",
    dependencies=LISTS_ARE_SHOWN,
    response_model=FactorAnswer,
    responses=documented(400, 404, 413, 422, 503),
    summary="Items chosen by the same users",
)
async def similar(plane: Plane, body: SimilarBody, kind: Kind = None, explain: Explain = False) -> Response:
    """Nearest items by their ALS factors, best first."""
    ranked = await plane.lists.similar_by_als(
        body.item_id, body.n, kinds_of(kind, "product"), explain=explain
    )
    return answer({"recommendations": [factor_shape(entry, explain) for entry in ranked]})


@router.post(
    "/matrix_factor/user",
    dependencies=LISTS_ARE_SHOWN,
    response_model=FactorAnswer,
    responses=documented(400, 413, 422, 503),
    summary="Items for a user",
)
async def for_user(plane: Plane, body: UserBody, kind: Kind = None, explain: Explain = False) -> Response:
    """ALS on the user's history as it is now. Unknown users are a cold start: popular items."""
    ranked = await plane.lists.for_user_als(
        body.user_id, body.n, body.filter_already_liked, kinds_of(kind, "product"), explain=explain
    )
    return answer({"recommendations": [factor_shape(entry, explain) for entry in ranked]})


@router.post(
    "/search",
    dependencies=LISTS_ARE_SHOWN,
    response_model=SemanticSearchAnswer,
    responses=documented(400, 413, 422, 503),
    summary="Items closest in meaning to a query",
)
async def search(plane: Plane, body: SearchBody, kind: Kind = None, explain: Explain = False) -> Response:
    """Nearest items by sentence embedding; the score is the cosine."""
    ranked = await plane.lists.semantic_search(
        body.query, body.top_k, kinds_of(kind, "product"), explain=explain
    )
    return answer({"results": [found_shape(entry, explain) for entry in ranked]})
