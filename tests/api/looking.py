"""What sees to the model, without its thread: it looks when a test says so."""

from __future__ import annotations

from typing import Any

from api import telling
from api.metrics import Metrics
from api.serving import Serving, State
from tests.api.service import Place

LOOKS = 3


def serving(place: Place, *, follow: bool = True) -> Serving:
    """What sees to the model, which looks when it is told to and tries again at once."""
    return Serving(place.registry, place.store, Metrics(), follow=follow, look_seconds=0.0)


def looked(place: Place) -> State:
    found = serving(place)
    found.look()
    return found.state


def told(state: State) -> dict[str, Any]:
    return telling.told(state)
