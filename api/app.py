"""The application: routes, page, error answers and middleware put together.

    application = build(serving=serving, votes=votes, metrics=metrics)

Nothing is opened here and no environment is read: `__main__` makes the parts, tests make others.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response

from api import asking, telling
from api.documents import complete
from api.metrics import Metrics
from api.middleware import Edge
from api.problems import Problem
from api.request_log import Write, through_logging
from api.serving import Serving
from api.votes import Votes

VERSION = "1.0.0"
"""Of what the routes take and answer; grows when a client could notice."""
PAGE = Path(__file__).with_name("page")
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page runs its own script alone, loads nothing from elsewhere and stands in no frame."""


def build(
    *,
    serving: Serving,
    votes: Votes,
    metrics: Metrics,
    key: bytes | None = None,
    write: Write = through_logging,
) -> FastAPI:
    """The ASGI application; with a `key`, only who shows it may write.

    write: takes the line of each request.
    """
    # FastAPI's own pages for people load their script from elsewhere.
    app = FastAPI(
        title="HairMe",
        version=VERSION,
        summary="Hairstyles that people like, and what they think of them",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would send people to whatever Host their request names
        telemetry={"tracing": False, "metrics": False, "logs": False},
        exception_handlers={HTTPException: _refused},
    )
    asking.add(app, serving, votes, metrics, key)
    telling.add(app, serving, metrics)
    files = _page(app)
    complete(app)
    described = app.openapi()["paths"]
    routes = [*described, *files, "/openapi.json"]
    handlers = {
        (method, route.path): route.endpoint
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    app.add_middleware(Edge, metrics=metrics, routes=routes, handlers=handlers, write=write)
    return app


def _page(app: FastAPI) -> list[str]:
    """Serve the page's files from memory, as they were at start; their paths."""
    files = {f"/page/{file.name}": file for file in sorted(PAGE.iterdir())}
    files["/"] = files.pop("/page/index.html")
    for path, file in files.items():
        app.add_api_route(path, _file(file), include_in_schema=False)
    return list(files)


def _file(file: Path) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    content, kind = file.read_bytes(), TYPES[file.suffix]

    async def answer(_request: Request) -> Response:
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return Response(content, media_type=kind, headers=headers)

    return answer


async def _refused(request: Request, error: HTTPException) -> Response:
    """What the framework refuses by itself: no such path, or not by this method."""
    problem = Problem(
        status=error.status_code,
        rule="the path and the method must be ones of /openapi.json",
        value=f"{request.method} on a path of {len(request.url.path)} characters",
        remedy="correct the address or the method",
    )
    return problem.response(request.scope["request_id"], error.headers)
