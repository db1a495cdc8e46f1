"""A version to serve: an embedding network, and the table that is published of it.

Both contestants of the figures about serving answer with this one model, so their answers can
be held against each other. Its weights are drawn and not trained: how long an answer takes
does not depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from common.feedback import FACE_SHAPES, style_key
from common.registry import open_registry
from common.store import open_store
from local.alike import folds_alike
from task import artifact, features, publish
from task.features import Vocabulary
from task.models import embedding
from task.models.embedding import Network

VERSION = "m-bench"
THRESHOLD = 0.5
COLOURS = ("봄웜", "가을웜", "여름쿨", "겨울쿨", "모름")
PAIRS = tuple((face, colour) for face in (*FACE_SHAPES, "모름") for colour in COLOURS)
"""Every face and colour that a person may name, the unknown ones included."""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where a version was published, as the settings' variables."""

    store: str
    registry: str
    votes: str

    def environment(self) -> dict[str, str]:
        """The four addresses."""
        return {
            "STORE_URL": self.store,
            "REGISTRY_URL": self.registry,
            "DATABASE_URL": self.votes,
            "SERVING_URL": "none",
        }


def vocabulary(styles: int) -> Vocabulary:
    """So many styles with names of a usual length."""
    names = [f"스타일 {number} 컷" for number in range(styles)]
    return features.vocabulary(FACE_SHAPES, {style_key(name): name for name in names})


def network(known: Vocabulary, seed: int = 1) -> Network:
    """The network that the task trains, with drawn weights, ready to answer."""
    torch.manual_seed(seed)
    return Network(known.sizes).eval()


def tables(made: Network, known: Vocabulary) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Score and like probability of everything, (F, T, S), by the network's own arithmetic.

    The task works the table out in double precision; here it is the network's, so that equal
    answers can be asked for to the last bit.
    """
    score, like = np.empty(known.sizes, np.float32), np.empty(known.sizes, np.float32)
    for face in range(known.sizes[0]):
        for tone in range(known.sizes[1]):
            found = answers(made, codes(known, face, tone))
            score[face, tone], like[face, tone] = (value.numpy() for value in found)
    return score, like


def codes(known: Vocabulary, face: int, tone: int) -> torch.Tensor:
    """The network's input for every style of one face and tone: (S, 3)."""
    found = torch.empty((known.sizes[2], 3), dtype=torch.int64)
    found[:, 0], found[:, 1] = face, tone
    found[:, 2] = torch.arange(known.sizes[2])
    return found


@torch.no_grad()
def answers(made: Network, asked: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Score and like probability, each (S,), in one pass."""
    score, vote = made(asked)
    return score, torch.sigmoid(vote[:, 1] - vote[:, 0])


def published(folder: Path, styles: int) -> Addresses:
    """Publish such a version into a store and make it the active one of a registry."""
    known = vocabulary(styles)
    made = network(known)
    score, like = tables(made, known)
    metadata: dict[str, Any] = {
        "version": VERSION,
        "vocabulary": known.as_dict(),
        "threshold": THRESHOLD,
        "cutoff": "2026-01-01T00:00:00+00:00",
    }
    model = folder / "model"
    artifact.write(
        model,
        weights=embedding.copy_of(made),
        metadata=metadata,
        score=score.astype(np.float64),
        like=like.astype(np.float64),
    )
    artifact.write_folds(model, folds_alike(like, score))
    artifact.write_self_test(model, [[FACE_SHAPES[0], "웜톤", known.styles[1], 3, 1]])
    where = Addresses(
        store=(folder / "store").as_uri(),
        registry=f"sqlite:///{folder / 'registry.sqlite'}",
        votes=f"sqlite:///{folder / 'votes.sqlite'}",
    )
    done = publish.publish(open_store(where.store), VERSION, model)
    open_registry(where.registry).promote(
        version=VERSION, sha=done.sha, expected_serial=0, action="promote", now=datetime.now(UTC)
    )
    return where
