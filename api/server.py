"""The service put together from its settings, and the server that it runs in.

    serve(settings, "127.0.0.1", 8080)      # returns when the process is told to stop

Apart from `__main__`, so that wrong usage is told before the web framework is loaded.
"""

from __future__ import annotations

import logging
import socket
import sys

import uvicorn
from starlette.types import ASGIApp

from api import keys
from api.app import build
from api.metrics import Metrics
from api.pulse import Pulse
from api.request_log import writer
from api.serving import Serving
from api.votes import Votes
from common.errors import UsageError
from common.registry import open_registry
from common.settings import Settings, require
from common.store import open_store
from common.votes_writer import open_writer

log = logging.getLogger(__name__)

KEEP_SECONDS = 75
"""An idle connection is kept longer than load balancers keep theirs (60 s): else one would send a
request on a connection that is just being closed, and the answer would be lost."""
DRAIN_SECONDS = 20
"""An answer that takes longer is given up when the process is told to stop."""


def serve(settings: Settings, host: str, port: int) -> None:
    """Listen, load, answer, and let go of everything at the end."""
    *_, store, registry, service = require(
        settings, "database_url", "store_url", "registry_url", "serving_url"
    )
    metrics = Metrics()
    serving = Serving(
        open_registry(registry),
        open_store(store),
        metrics,
        follow=not service.startswith("ecs://"),
    )
    votes = Votes(open_writer(settings), metrics)
    pulse = Pulse(serving, metrics)
    key, write = keys.read(settings), writer(sys.stderr)
    app = build(serving=serving, votes=votes, metrics=metrics, key=key, write=write)
    with listening(host, port) as listener:
        serving.start()
        pulse.start()
        try:
            address, bound = listener.getsockname()[:2]
            log.info("listening", extra={"host": address, "port": bound})
            server(app).run(sockets=[listener])
        finally:
            serving.stop()
            pulse.stop()
            votes.close()


def server(app: ASGIApp) -> uvicorn.Server:
    """The server as it runs in service."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_SECONDS,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections. UsageError when it cannot be had."""
    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise UsageError(
            f"--host and --port must be free and this machine's own, got {host} and {port}: "
            f"{error.strerror or error}; choose others"
        ) from error
