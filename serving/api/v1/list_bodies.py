"""What requests for lists of /v1 send, and what they get."""

from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from serving.api.fields import MAX_QUERY, MAX_SHOWN
from serving.api.v1.event_in import EventWord
from serving.api.v1.fields import Body, Id
from serving.api.v1.item import RecommendedItem
from serving.api.v1.pages import read_page
from serving.conditions.reading import LONGEST
from serving.lists.list_requests import (
    By,
    ItemsListRequest,
    ListRequest,
    RerankListRequest,
    SearchListRequest,
    SessionEvent,
    SimilarListRequest,
    TrendingListRequest,
    UserListRequest,
)

MOST_ITEMS = 1000
MOST_EXCLUDED = 1000
MOST_EVENTS = 500
MOST_FACETS = 10
MOST_HOURS = 24 * 30


def _trimmed(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


def _printable(value: str) -> str:
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in value):
        raise PydanticCustomError("unwritable_text", "must not hold control characters or half characters")
    return value


Text = Annotated[str, AfterValidator(_printable)]
QueryText = Annotated[Text, BeforeValidator(_trimmed), Field(min_length=1, max_length=MAX_QUERY)]
FieldName = Annotated[Text, Field(min_length=1, max_length=200)]


class SessionEventIn(Body):
    """Something that the visitor did, the latest last: with an item, or a search."""

    item_id: Id | None = None
    type: EventWord = Field(default="click", description="the shop's own word, as events have it")
    query: QueryText | None = None
    value: float | None = Field(default=None, description="stars, seconds or +1 and -1, by the type")

    @model_validator(mode="after")
    def _says_something(self) -> "SessionEventIn":
        if self.item_id is None and self.query is None:
            raise PydanticCustomError("empty_event", "needs an item_id or a query")
        return self

    def event(self) -> SessionEvent:
        """As lists read it, but for the type, which is the shop's word."""
        if self.item_id is None:
            return SessionEvent(None, "search_query", self.query)
        return SessionEvent(self.item_id, self.type, None, self.value)


class ListBody(Body):
    """What every list may be asked; with `page` alone, the next page of a list."""

    LIST: ClassVar[str]

    n: int = Field(default=20, ge=1, le=MOST_ITEMS, description="how many items")
    filter: Text | None = Field(
        default=None,
        max_length=LONGEST,
        description='which items, such as `price < 20 and labels in ["new", "sale"]`',
    )
    exclude: list[Id] = Field(default_factory=list, max_length=MOST_EXCLUDED, description="ids to leave out")
    explain: bool = Field(default=False, description="add `columns` to every item")
    variants: bool = Field(
        default=False,
        description="also several variants of one item: of one title, or with one `variant_of` attribute",
    )
    shown: int | None = Field(
        default=None, ge=0, le=MAX_SHOWN, description="how many items the page shows at first: see /docs"
    )
    page: str | None = Field(
        default=None, description="`next` of an answer: the page after it, for 30 minutes"
    )
    _earlier_pages: frozenset[int] = PrivateAttr(default=frozenset())

    @model_validator(mode="wrap")
    @classmethod
    def _of_page(cls, body: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(body, dict) or body.get("page") is None:
            return handler(body)
        try:
            request, earlier = read_page(cls.LIST, body)
        except PydanticCustomError as error:
            at_fault = InitErrorDetails(type=error, loc=("page",), input=body["page"])
            raise ValidationError.from_exception_data(cls.__name__, [at_fault]) from error
        made = handler(request)
        made._earlier_pages = earlier
        return made

    def first_request(self) -> dict[str, Any]:
        """The fields that its next page has."""
        return self.model_dump(exclude={"page"}, exclude_defaults=True)

    def list_request(self) -> ListRequest:
        """As lists read it."""
        raise NotImplementedError

    def _common(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "filter": self.filter,
            "exclude": tuple(self.exclude),
            "earlier_pages": self._earlier_pages,
            "explain": self.explain,
            "variants": self.variants,
        }


class RecommendBody(ListBody):
    """For a user, a session, or the items of a cart; without any of them, popular items."""

    LIST = "recommend"

    user_id: Id | None = None
    session: list[SessionEventIn] = Field(default_factory=list, max_length=MOST_EVENTS)
    item_ids: list[Id] = Field(default_factory=list, max_length=200, description="items of a cart")
    diversity: float | None = Field(
        default=None, ge=0, le=1, description="0 is the best order, 1 the most variety"
    )
    include_seen: bool = Field(default=False, description="also what the user has an event with")

    @model_validator(mode="after")
    def _one_way(self) -> "RecommendBody":
        if self.item_ids and (self.user_id is not None or self.session):
            raise PydanticCustomError("two_ways", "item_ids stand alone: without user_id and session")
        return self

    def list_request(self) -> ListRequest:
        """As lists read it."""
        if self.item_ids:
            items = tuple(self.item_ids)
            return ItemsListRequest(**self._common(), item_ids=items, diversity=self.diversity)
        return UserListRequest(
            **self._common(),
            user_id=self.user_id,
            session=tuple(each.event() for each in self.session),
            diversity=self.diversity,
            include_seen=self.include_seen,
        )


class SimilarBody(ListBody):
    """Similar items."""

    LIST = "similar"

    item_id: Id
    by: By = Field(
        default="people",
        description="`people` who chose it chose these; `bought_together` in one basket; `meaning` of the "
        "text; `title`",
    )

    def list_request(self) -> ListRequest:
        """As lists read it."""
        return SimilarListRequest(**self._common(), item_id=self.item_id, by=self.by)


class SearchBody(ListBody):
    """Items for a query; without one, all that the filter lets through."""

    LIST = "search"

    query: QueryText | None = None
    sort: FieldName | None = Field(
        default=None, description="a field of numbers or times, `-price` for the largest first"
    )
    facets: list[FieldName] = Field(default_factory=list, max_length=MOST_FACETS)

    def list_request(self) -> ListRequest:
        """As lists read it."""
        return SearchListRequest(
            **self._common(), query=self.query, sort=self.sort, facets=tuple(dict.fromkeys(self.facets))
        )


class TrendingBody(ListBody):
    """Trending items."""

    LIST = "trending"

    category: Text | None = Field(
        default=None, max_length=500, description="a category, or a category's path"
    )
    hours: int | None = Field(
        default=None,
        ge=1,
        le=MOST_HOURS,
        description="events of the last hours; without it the scores of every hour, in which older events "
        "count less",
    )

    def list_request(self) -> ListRequest:
        """As lists read it."""
        return TrendingListRequest(**self._common(), category=self.category, hours=self.hours)


class RerankBody(Body):
    """The caller's own items, to be put in order for a user."""

    item_ids: list[Id] = Field(min_length=1, max_length=MOST_ITEMS)
    user_id: Id | None = None
    session: list[SessionEventIn] = Field(default_factory=list, max_length=MOST_EVENTS)
    explain: bool = Field(default=False, description="add `columns` to every item")
    shown: int | None = Field(default=None, ge=0, le=MAX_SHOWN)

    def list_request(self) -> ListRequest:
        """As lists read it."""
        return RerankListRequest(
            n=len(self.item_ids),
            item_ids=tuple(dict.fromkeys(self.item_ids)),
            user_id=self.user_id,
            session=tuple(each.event() for each in self.session),
            explain=self.explain,
        )


class Listed(RecommendedItem):
    """An item in a list; `columns` with `explain`."""

    columns: dict[str, dict[str, float]] | None = None


class ListOut(BaseModel):
    """A list."""

    recommendation_id: str = Field(description="send it with the events that the list leads to")
    items: list[Listed]
    bundle: str = Field(description="the models that made it; `none` before the first training")
    next: str | None = Field(description="token of the next page: send it as `page`; null on the last one")
    fallback: str | None = Field(default=None, description="why these are not what was asked for")
    unknown_items: list[str] | None = Field(default=None, description="ids that no item has")


class OrderOut(ListOut):
    """The caller's items in order; those that may be in no list are named apart."""

    withdrawn_items: list[str]


class FacetValueOut(BaseModel):
    """How many of the found items have a value."""

    value: str | bool
    count: int


class FacetOut(BaseModel):
    """A field over all that is found: its most frequent values, or the range of its numbers."""

    values: list[FacetValueOut]
    min: float | None = Field(description="of times in seconds since 1970")
    max: float | None


class SearchOut(ListOut):
    """A page of what is found."""

    total: int = Field(description="items on all pages; facets count their variants too")
    facets: dict[str, FacetOut]
