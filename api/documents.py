"""How the routes are described: bodies by their types, errors as problem+json, one OpenAPI page."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api import keys
from api.problems import MEDIA_TYPE
from api.schemas import (
    BatchAnswer,
    BatchRequest,
    FeedbackAnswer,
    FeedbackRequest,
    ModelAnswer,
    PredictAnswer,
    PredictRequest,
    ProblemAnswer,
    RecommendAnswer,
    RecommendRequest,
)

BODIES = (BatchRequest, FeedbackRequest, PredictRequest, RecommendRequest)
ANSWERS = (
    BatchAnswer,
    FeedbackAnswer,
    ModelAnswer,
    PredictAnswer,
    ProblemAnswer,
    RecommendAnswer,
)
KEY = "key"
_REF = "#/components/schemas/{model}"
_SCHEME = {
    "type": "apiKey",
    "in": "header",
    "name": keys.HEADER,
    "description": "needed by whoever writes, where the service has been given one",
}


def body(kind: type[BaseModel], *, writes: bool = False) -> dict[str, Any]:
    """The description of a route's body, which the route validates itself.

    writes: whether the route takes the key of those who write, where there is one.
    """
    content = {"application/json": {"schema": {"$ref": _REF.format(model=kind.__name__)}}}
    found: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    return found | {"security": [{KEY: []}, {}]} if writes else found


def answers(kind: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The description of a route's answer and of its errors."""
    problem = {"$ref": _REF.format(model=ProblemAnswer.__name__)}
    return {
        200: {"model": kind},
        **{
            status: {
                "description": HTTPStatus(status).phrase,
                "content": {MEDIA_TYPE: {"schema": problem}},
            }
            for status in statuses
        },
    }


def complete(app: FastAPI) -> None:
    """Have the application's OpenAPI page hold the types that are only referred to."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            # The answers too: the framework's own page drops every null of their examples.
            kinds: list[tuple[type[BaseModel], JsonSchemaMode]]
            kinds = [(kind, "validation") for kind in BODIES]
            kinds += [(kind, "serialization") for kind in ANSWERS]
            _, made = models_json_schema(kinds, ref_template=_REF)
            page = make()
            parts = page.setdefault("components", {})
            parts.setdefault("schemas", {}).update(made["$defs"])
            parts["securitySchemes"] = {KEY: _SCHEME}
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
