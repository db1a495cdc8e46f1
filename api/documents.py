"""How the routes are described: bodies by their types, errors as problem+json, one OpenAPI page."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.problems import MEDIA_TYPE
from api.schemas import (
    BatchRequest,
    FeedbackRequest,
    PredictRequest,
    ProblemAnswer,
    RecommendRequest,
)

BODIES = (BatchRequest, FeedbackRequest, PredictRequest, RecommendRequest)
_REF = "#/components/schemas/{model}"


def body(kind: type[BaseModel]) -> dict[str, Any]:
    """The description of a route's body, which the route validates itself."""
    schema = {"$ref": _REF.format(model=kind.__name__)}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


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
            modes = [(kind, "validation") for kind in BODIES]
            _, made = models_json_schema(
                [*modes, (ProblemAnswer, "serialization")],  # type: ignore[list-item]
                ref_template=_REF,
            )
            page = make()
            page.setdefault("components", {}).setdefault("schemas", {}).update(made["$defs"])
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
