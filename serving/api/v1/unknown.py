"""Query fields that a route of /v1 does not have are refused by name; its bodies do so themselves."""

from fastapi import Request

from serving.api.errors import ApiError
from serving.api.unknown_fields import Fields


async def refuse_unknown_fields(request: Request) -> None:
    """Raises ApiError (422) for the first query field that the request's route does not have."""
    fields: Fields | None = request.app.state.fields.get(request.scope["route"].unique_id)
    if fields is None:
        return
    for name in request.query_params:
        if name not in fields.query:
            known = ", ".join(sorted(fields.query)) or "none"
            raise ApiError(422, "invalid", f"there is no such query field; there are: {known}", name[:100])
