"""The usual way to serve such a model: FastAPI with the network in it, asked on every request.

    python -m bench.torch_api FOLDER PORT

Written as its best friend would: the same framework, server, event loop, parser and JSON
library as ours, the same types validate the body, one thread, no gradients, the style codes
prepared, one pass for all styles of a request, and nothing in between: no middleware, no
metrics, no log. It answers with the names, scores and probabilities of the best `k`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import orjson
import torch
from fastapi import FastAPI, Request
from fastapi.responses import Response
from safetensors.torch import load_file

from api.schemas import RecommendRequest
from api.server import listening, server
from bench import served
from common import feedback
from task import features
from task.features import Vocabulary
from task.models.embedding import Network


def build(folder: Path) -> FastAPI:
    """The application over a version's folder."""
    torch.set_num_threads(1)
    metadata = json.loads((folder / "model.json").read_text("utf-8"))
    known = features.from_dict(metadata["vocabulary"])
    network = Network(known.sizes)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    network.eval()
    codes = served.codes(known, 0, 0)
    app = FastAPI()

    @app.get("/ready")
    async def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.post("/recommend")
    async def recommend(request: Request) -> Response:
        asked = RecommendRequest.model_validate_json(await request.body())
        items = best(network, known, codes, asked)
        return Response(
            orjson.dumps({"version": metadata["version"], "items": items}),
            media_type="application/json",
        )

    return app


def best(
    network: Network, known: Vocabulary, codes: torch.Tensor, asked: RecommendRequest
) -> list[dict[str, Any]]:
    """The best styles; `codes` (S, 3) are overwritten."""
    codes[:, 0] = known.face(feedback.face_shape(asked.face_shape))
    codes[:, 1] = known.tone(feedback.skin_tone(asked.personal_color))
    score, like = served.answers(network, codes)
    chances, places = torch.topk(like[1:], asked.k)  # the unknown style is none
    scores = score[places + 1].tolist()
    found = zip(places.tolist(), scores, chances.tolist(), strict=True)
    return [
        {"rank": rank, "style": known.names[at + 1], "score": scored, "like_probability": chance}
        for rank, (at, scored, chance) in enumerate(found, 1)
    ]


def main(folder: str, port: str) -> None:
    """Serve until killed."""
    with listening("127.0.0.1", int(port)) as listener:
        server(build(Path(folder))).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
