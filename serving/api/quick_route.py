"""A route that reads a request's arguments as FastAPI does, in less time.

FastAPI solves each dependency and looks for each parameter anew for every request: two thirds of what a
request took in the app. A route of this kind finds out once what its functions take, and asks FastAPI only
for what is in a request. Where anything is wrong with one, FastAPI answers it. `app.dependency_overrides`
does not reach these routes.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_body_to_args, request_params_to_args
from fastapi.params import Form
from fastapi.routing import APIRoute
from pydantic import BaseModel

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
Arguments = dict[str, Any]

_CONSTANTS = (str, int, float, type(None))
"""What a default may be: nobody can change one, so requests may share it."""
_JSON = "application/json"


class QuickRoute(APIRoute):
    """A route of functions that take parameters, a body, the request, and what such functions return."""

    def get_route_handler(self) -> Handler:
        """FastAPI's handler, which is asked only where this one can't tell the arguments."""
        plain = super().get_route_handler()
        if not _is_understood(self.dependant):
            return plain
        dependencies = [Takes(each) for each in self.dependant.dependencies]
        own = Takes(self.dependant)

        async def quick(request: Request) -> Response:
            read = [each.read(request) for each in (*dependencies, own)]
            body = await self._read_body(request)
            *given, arguments = read
            if body is None or arguments is None or None in given:
                return await plain(request)
            arguments |= body
            for each, its in zip(dependencies, given, strict=True):
                value = await each.call(**(its or {}))
                if each.name is not None:
                    arguments[each.name] = value
            response: Response = await own.call(**arguments)
            return response

        return quick

    async def _read_body(self, request: Request) -> Arguments | None:
        """The arguments in the body; None where FastAPI has to say what is wrong with it."""
        fields = self.dependant.body_params
        if not fields:
            return {}
        if request.headers.get("content-type") != _JSON or not await request.body():
            return None
        try:
            body = await request.json()
        except ValueError:
            return None
        arguments, errors = await request_body_to_args(fields, body, self._embed_body_fields)
        return None if errors else arguments


class Takes:
    """A function, and what it takes of a request."""

    def __init__(self, dependant: Dependant) -> None:
        assert dependant.call is not None
        self.call: Callable[..., Any] = dependant.call
        self.name = dependant.name
        self._request_name = dependant.request_param_name
        self._path = dependant.path_params
        self._headers = dependant.header_params
        self._query = [(each.validation_alias or each.alias, each) for each in dependant.query_params]
        self._required = [alias for alias, each in self._query if each.field_info.is_required()]
        self._defaults = {
            each.name: each.default for alias, each in self._query if alias not in self._required
        }

    def read(self, request: Request) -> Arguments | None:
        """Its arguments, but for the body's; None where one is missing or wrong."""
        query = request.query_params
        if any(alias not in query for alias in self._required):
            return None
        sent = [each for alias, each in self._query if alias in query]
        arguments = dict(self._defaults)
        parts: tuple[tuple[list[Any], Mapping[str, Any]], ...] = (
            (sent, query),
            (self._path, request.path_params),
            (self._headers, request.headers),
        )
        for fields, received in parts:
            if fields:
                found, errors = request_params_to_args(fields, received)
                if errors:
                    return None
                arguments |= found
        if self._request_name is not None:
            arguments[self._request_name] = request
        return arguments


def _is_understood(endpoint: Dependant) -> bool:
    """Whether an endpoint and its dependencies take nothing but what is read here."""
    dependencies = endpoint.dependencies
    told_apart = {each.cache_key for each in dependencies}
    return (
        all(map(_takes_parameters, (endpoint, *dependencies)))
        and not any(each.dependencies or each.body_params for each in dependencies)
        and not any(isinstance(each.field_info, Form) for each in endpoint.body_params)
        and len(told_apart) == len(dependencies)  # else FastAPI asks one once for both
        and _returns_a_response(endpoint)
    )


def _takes_parameters(dependant: Dependant) -> bool:
    parameters = (*dependant.path_params, *dependant.query_params, *dependant.header_params)
    optional = [each for each in dependant.query_params if not each.field_info.is_required()]
    others = (
        dependant.cookie_params,
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
    )
    return (
        dependant.is_coroutine_callable
        and not any(others)
        and all(isinstance(each.default, _CONSTANTS) for each in optional)
        and not any(_is_model(each.field_info.annotation) for each in parameters)
    )


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _returns_a_response(endpoint: Dependant) -> bool:
    returned = get_type_hints(endpoint.call).get("return")
    return isinstance(returned, type) and issubclass(returned, Response)
