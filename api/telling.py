"""What the service says of itself: `/health`, `/ready`, `/model`, `/metrics`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from fastapi import FastAPI, Request
from starlette.responses import Response

from api.documents import answers
from api.metrics import Metrics
from api.problems import Problem, ProblemError
from api.schemas import HealthAnswer, ModelAnswer
from api.serving import Serving, State
from common.registry.records import utc_text


def add(app: FastAPI, serving: Serving, metrics: Metrics) -> None:
    """Add the routes over a model and counters."""

    @app.get(
        "/health",
        operation_id="health",
        summary="200 while the process lives",
        responses=answers(HealthAnswer),
    )
    async def health(_request: Request) -> Response:
        return _json({"status": "ok"})

    @app.get(
        "/ready",
        operation_id="ready",
        summary="200 once it can answer, or knows that nothing has been promoted",
        responses=answers(HealthAnswer, 503),
    )
    async def ready(_request: Request) -> Response:
        state = serving.state
        if not state.ready:
            raise ProblemError(
                Problem(
                    status=503,
                    rule="a version must be loaded, or it be certain that there is none",
                    value=state.why or "still loading",
                    remedy="wait; it is tried again until it works",
                )
            )
        return _json({"status": "ok"})

    @app.get(
        "/model",
        operation_id="model",
        summary="Which version answers, which one should, and why they differ",
        responses=answers(ModelAnswer),
    )
    async def model(_request: Request) -> Response:
        return _json(told(serving.state))

    @app.get(
        "/metrics",
        operation_id="metrics",
        summary="Counters in Prometheus's text format",
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        response_class=Response,
    )
    async def numbers(_request: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def told(state: State) -> dict[str, Any]:
    """The answer of `/model`."""
    model = state.model
    return {
        "version": model.version if model else None,
        "sha": model.sha if model else None,
        "since": utc_text(model.since.replace(microsecond=0)) if model else None,
        "serial": model.serial if model else None,
        "previous": model.previous if model else None,
        "degraded": state.degraded,
        "refused": state.refused,
        "why": state.why,
        "active": asdict(state.active) if state.active else None,
    }


def _json(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
