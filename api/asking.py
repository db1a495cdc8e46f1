"""The questions: `/predict`, `/predict/batch`, `/recommend`, and `/feedback` on the answers.

Each request takes the model once. The bodies are validated from their bytes by the same types
that the OpenAPI page shows; the framework's own way parses them twice and tells malformed JSON
from a wrong field only by the text of its message.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any, TypeVar

import orjson
from fastapi import FastAPI, Request
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from api import keys
from api.documents import answers, body
from api.metrics import Metrics
from api.model import Known, Model, Prediction, Styled, tone_of
from api.problems import NOT_JSON, Problem, ProblemError, invalid
from api.schemas import (
    BatchAnswer,
    BatchRequest,
    FeedbackAnswer,
    FeedbackRequest,
    PredictAnswer,
    PredictRequest,
    RecommendAnswer,
    RecommendRequest,
)
from api.serving import Serving
from api.votes import Votes, records
from common.feedback import style_key

Asked = TypeVar("Asked", bound=BaseModel)


def add(app: FastAPI, serving: Serving, votes: Votes, metrics: Metrics, key: bytes | None) -> None:
    """Add the routes over a model, a place for votes, and counters; `key` is for writers."""

    @app.post(
        "/predict",
        operation_id="predict",
        summary="Score one style for one person",
        responses=answers(PredictAnswer, 400, 413, 415, 422, 503),
        openapi_extra=body(PredictRequest),
    )
    async def predict(request: Request) -> Response:
        asked = _asked(request, PredictRequest)
        model = _model(request, serving)
        metrics.predicted(model.version)
        return _json(_named(model) | _figures(_predicted(model, asked)))

    @app.post(
        "/predict/batch",
        operation_id="predictBatch",
        summary="Score many; a wrong item is answered by a problem in its place",
        responses=answers(BatchAnswer, 400, 413, 415, 422, 503),
        openapi_extra=body(BatchRequest),
    )
    async def predict_batch(request: Request) -> Response:
        asked = _asked(request, BatchRequest)
        model = _model(request, serving)
        request_id = request.scope["request_id"]
        items = [
            {"error": item.content(request_id)}
            if isinstance(item, Problem)
            else _figures(_predicted(model, item))
            for item in asked.items
        ]
        metrics.predicted(model.version, sum("error" not in item for item in items))
        return _json(_named(model) | {"items": items})

    @app.post(
        "/recommend",
        operation_id="recommend",
        summary="The best styles for one person, the best first",
        responses=answers(RecommendAnswer, 400, 401, 413, 415, 422, 503),
        openapi_extra=body(RecommendRequest, writes=True),
    )
    async def recommend(request: Request) -> Response:
        begin = time.perf_counter()
        asked = _asked(request, RecommendRequest)
        if records(asked):
            keys.check(request, key)
        model = _model(request, serving)
        tone = tone_of(asked.skin_tone, asked.personal_color)
        without = frozenset(map(style_key, asked.exclude))
        styles = model.recommend(asked.face_shape, tone, k=asked.k, without=without)
        kept = await votes.record(asked, model.version, styles)
        metrics.predicted(model.version)
        known = Known(*model.knows(asked.face_shape, tone), hairstyle=True)
        return _json(
            _named(model)
            | kept.told()
            | {
                "items": _items(styles, known, kept.votable),
                "processing_ms": round((time.perf_counter() - begin) * 1000, 3),
            }
        )

    @app.post(
        "/feedback",
        operation_id="feedback",
        summary="Like, dislike or click a style that was recommended",
        responses=answers(FeedbackAnswer, 400, 401, 404, 409, 413, 415, 422, 503),
        openapi_extra=body(FeedbackRequest, writes=True),
    )
    async def feedback(request: Request) -> Response:
        keys.check(request, key)
        asked = _asked(request, FeedbackRequest)
        changed = await votes.take(asked)
        return _json(asked.model_dump() | {"changed": changed})


def _asked(request: Request, kind: type[Asked]) -> Asked:
    """The body as `kind`; ProblemError when it is none."""
    if not _is_json(request.headers.get("content-type", "")):
        raise ProblemError(NOT_JSON)
    try:
        return kind.model_validate_json(request.scope["body"])
    except ValidationError as error:
        # Neither chained nor logged: what people sent is theirs.
        raise ProblemError(invalid(error)) from None


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _model(request: Request, serving: Serving) -> Model:
    """The model that answers this request, to its end; ProblemError when there is none."""
    state = serving.state
    if state.model is None:
        raise ProblemError(
            Problem(
                status=503,
                rule="a version must be in service",
                value="none: " + (state.why or ("none is promoted" if state.ready else "loading")),
                remedy="wait until /ready answers 200 and /model names a version",
            )
        )
    request.scope["version"] = state.model.version  # for the log
    return state.model


def _predicted(model: Model, asked: PredictRequest) -> Prediction:
    tone = tone_of(asked.skin_tone, asked.personal_color)
    return model.predict(asked.face_shape, tone, asked.hairstyle)


def _named(model: Model) -> dict[str, Any]:
    return {"version": model.version, "sha": model.sha}


def _figures(made: Prediction) -> dict[str, Any]:
    return {**made._asdict(), "known": made.known._asdict()}


@lru_cache(maxsize=1024)
def _items(styles: tuple[Styled, ...], known: Known, votable: int) -> orjson.Fragment:
    """The items of an answer as JSON. Most people get one of few lists, made once."""
    return orjson.Fragment(
        orjson.dumps(
            [
                {
                    "rank": rank,
                    "style": style.name,
                    "score": style.score,
                    "like_probability": style.like,
                    "known": known._asdict(),
                    "votable": rank <= votable,
                }
                for rank, style in enumerate(styles, 1)
            ]
        )
    )


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
