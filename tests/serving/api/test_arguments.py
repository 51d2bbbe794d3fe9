"""What a request says reaches the plane, all of it: without an argument another question is answered."""

import inspect
from typing import Any

import httpx
import pytest

from tests.serving.api.fake_plane import FakePlane

PRODUCT, ARTICLE, CONTENT = (frozenset({kind}) for kind in ("product", "article", "content"))


class ToldPlane(FakePlane):
    """A plane that keeps with which arguments each of its methods was called, by their names."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, dict[str, Any]]] = []

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if not inspect.iscoroutinefunction(found):
            return found

        def noting(*args: Any, **kwargs: Any) -> Any:
            self.told.append((name, dict(inspect.signature(found).bind(*args, **kwargs).arguments)))
            return found(*args, **kwargs)

        return noting


@pytest.fixture
def plane() -> ToldPlane:
    made = ToldPlane()
    made.items["A000000007"] = made.items["course1"].__class__(
        item_id="A000000007", kind="article", title="Knots", article_id=7
    )
    return made


CALLS: list[tuple[str, str, Any, str, dict[str, Any]]] = [
    (
        "GET",
        "/recommendations/home?user_id=ann1&response_limit=7&kind=article&explain=true&lists=trending,best_value",
        None,
        "home",
        {
            "user_id": "ann1",
            "limit": 7,
            "kinds": ARTICLE,
            "lists": ("trending", "best_value"),
            "explain": True,
        },
    ),
    (
        "GET",
        "/recommendations/product/PRODUCT001?response_limit=3&kind=article&explain=true",
        None,
        "similar_products",
        {
            "item_id": "PRODUCT001",
            "limit": 3,
            "kinds": ARTICLE,
            "of": ARTICLE | {"product"},
            "explain": True,
        },
    ),
    (
        "POST",
        "/recommendations/cart?kind=all&explain=true",
        {"items": ["PRODUCT001", "x", "PRODUCT001"], "n": 4},
        "for_cart",
        {"item_ids": ["PRODUCT001", "x"], "n": 4, "kinds": None, "explain": True},
    ),
    (
        "GET",
        "/recommendations/search?query=mug&response_limit=9&kind=content&explain=true",
        None,
        "search",
        {"query": "mug", "limit": 9, "kinds": CONTENT, "explain": True},
    ),
    (
        "POST",
        "/matrix_factor/similar?kind=content&explain=true",
        {"item_id": "PRODUCT001", "n": 6},
        "similar_by_als",
        {"item_id": "PRODUCT001", "n": 6, "kinds": CONTENT, "explain": True},
    ),
    (
        "POST",
        "/matrix_factor/user?kind=content&explain=true",
        {"user_id": "ann", "n": 6, "filter_already_liked": False},
        "for_user_als",
        {"user_id": "ann", "n": 6, "filter_already_liked": False, "kinds": CONTENT, "explain": True},
    ),
    (
        "POST",
        "/search?kind=article&explain=true",
        {"query": "washing machine", "top_k": 8},
        "semantic_search",
        {"query": "washing machine", "k": 8, "kinds": ARTICLE, "explain": True},
    ),
    (
        "POST",
        "/recommendations?kind=product&explain=true",
        {
            "user_id": "ann",
            "n_recommendations": 3,
            "use_cf": False,
            "use_embeddings": False,
            "cf_weight": 0.2,
        },
        "hybrid",
        {
            "user_id": "ann",
            "n": 3,
            "use_cf": False,
            "use_embeddings": False,
            "cf_weight": 0.2,
            "kinds": PRODUCT,
            "explain": True,
        },
    ),
    (
        "POST",
        "/api/recommend?kind=product&explain=true",
        {"query": "knots", "limit": 4},
        "semantic_search",
        {"query": "knots", "k": 4, "kinds": PRODUCT, "explain": True},
    ),
    (
        "POST",
        "/api/recommend?kind=product&explain=true",
        {"article_id": 7, "limit": 4},
        "similar_by_vector",
        {"item_id": "A000000007", "k": 4, "kinds": PRODUCT, "explain": True},
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "called", "wanted"), CALLS, ids=[call[1] for call in CALLS]
)
async def test_each_list_is_asked_for_with_all_that_the_request_says(
    http: httpx.AsyncClient,
    plane: ToldPlane,
    method: str,
    path: str,
    body: Any,
    called: str,
    wanted: dict[str, Any],
) -> None:
    answer = await http.request(method, path, json=body)
    assert answer.status_code == 200, answer.text
    (told,) = [arguments for name, arguments in plane.told if name == called]
    for name in ("lists", "item_ids"):
        if name in told:
            told[name] = type(wanted[name])(told[name])
    assert told == wanted


DEFAULTS: list[tuple[str, str, Any, str, dict[str, Any]]] = [
    ("GET", "/recommendations/home?user_id=ann1", None, "home", {"limit": 20, "kinds": PRODUCT}),
    ("GET", "/recommendations/search?query=mug", None, "search", {"limit": 2000, "kinds": PRODUCT}),
    (
        "POST",
        "/matrix_factor/user",
        {"user_id": "ann"},
        "for_user_als",
        {"n": 10, "filter_already_liked": True, "kinds": PRODUCT},
    ),
    (
        "POST",
        "/recommendations",
        {"user_id": "ann"},
        "hybrid",
        {"n": 10, "use_cf": True, "use_embeddings": True, "cf_weight": None, "kinds": CONTENT},
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "body", "called", "wanted"), DEFAULTS, ids=[call[1] for call in DEFAULTS]
)
async def test_what_a_request_leaves_out_is_what_the_contract_says(
    http: httpx.AsyncClient,
    plane: ToldPlane,
    method: str,
    path: str,
    body: Any,
    called: str,
    wanted: dict[str, Any],
) -> None:
    assert (await http.request(method, path, json=body)).status_code == 200
    (told,) = [arguments for name, arguments in plane.told if name == called]
    assert {name: told.get(name) for name in wanted} == wanted
