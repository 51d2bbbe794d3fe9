"""What the lists brought: clicks, purchases, revenue."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AwareDatetime, BaseModel, Field
from starlette.responses import Response

from database.connection import REPORT_SECONDS, connect
from database.list_outcomes import ListOutcomes, list_outcomes
from database.online import Attribution
from database.settings import Settings
from serving.api.errors import ApiError
from serving.api.responses import answer
from serving.api.state import Plane
from serving.api.v1.problems import documented
from serving.database_errors import ask_in_thread

router = APIRouter(prefix="/metrics", tags=["v1 metrics"])

MAX_HOURS = 366 * 24
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2100, 1, 1, tzinfo=UTC)


class ListMetrics(BaseModel):
    """What the lists of one name brought."""

    name: str = Field(description="recommend, similar.people, home.trending, ...")
    shown: int = Field(description="lists")
    items: int = Field(description="items that were seen in them")
    clicks: int = Field(description="each item of a list once")
    click_rate: float | None = Field(description="clicks / items")
    purchases: int
    conversion: float | None = Field(description="share of the lists that brought a purchase")
    revenue: float = Field(description="price x quantity, at the catalogue's price where an event has none")


class Metrics(BaseModel):
    """What the lists of a period have brought so far."""

    since: datetime
    until: datetime
    lists: list[ListMetrics]


@router.get(
    "/lists",
    operation_id="list_metrics",
    response_model=Metrics,
    responses=documented(401, 503),
    summary="Clicks, conversion and revenue by list",
)
async def list_metrics(
    request: Request,
    plane: Plane,
    hours: Annotated[float, Query(gt=0, le=MAX_HOURS, description="how long before `until`")] = 1,
    since: Annotated[
        AwareDatetime | None, Query(description="at most 366 days before `until`; in place of `hours`")
    ] = None,
    until: Annotated[AwareDatetime | None, Query(description="now, if it is left out")] = None,
) -> Response:
    """Of the lists that were shown between `since` and `until`, whenever what they brought came. An event
    that names its `recommendation_id` counts for that list alone; others for what their user saw last."""
    now = datetime.now(UTC)
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and not _FIRST <= moment <= _LAST:
            raise ApiError(422, "invalid", "must be between 1970 and 2100", name)
    end = (until or now).astimezone(UTC)
    start = end - timedelta(hours=hours) if since is None else since.astimezone(UTC)
    if start >= end:
        raise ApiError(422, "invalid", "must be before `until`", "since")
    if end - start > timedelta(hours=MAX_HOURS):
        raise ApiError(422, "invalid", "must be at most 366 days before `until`", "since")
    attribution = plane.params.experiments.attribution()
    settings = request.app.state.settings
    operation = "reading what the lists brought"
    found = await ask_in_thread(operation, _read, settings, start, end, now, attribution)
    return answer({"since": start, "until": end, "lists": [_shape(each) for each in found]})


def _read(
    settings: Settings, since: datetime, until: datetime, now: datetime, attribution: Attribution
) -> list[ListOutcomes]:
    with connect(settings, REPORT_SECONDS) as conn:
        return list_outcomes(conn, since, until, now, attribution)


def _shape(one: ListOutcomes) -> dict[str, Any]:
    return {
        "name": one.name,
        "shown": one.shown,
        "items": one.items,
        "clicks": one.clicks,
        "click_rate": one.click_rate,
        "purchases": one.purchases,
        "conversion": one.conversion,
        "revenue": one.revenue,
    }
