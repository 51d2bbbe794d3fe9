"""All routes of /v1."""

from fastapi import APIRouter, Depends

from serving.api.v1 import events, items, lists, metrics, users
from serving.api.v1.problems import PREFIX, documented
from serving.api.v1.unknown import refuse_unknown_fields

router = APIRouter(
    prefix=PREFIX, dependencies=[Depends(refuse_unknown_fields)], responses=documented(422, 429, 500, 504)
)
for each in (items, users, events, lists, metrics):
    router.include_router(each.router)
