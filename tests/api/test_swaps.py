"""No answer is ever half of one version and half of another, however often they are swapped."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from api import loading
from api.model import Model
from api.serving import Serving, State
from tests.api.service import PERSON, Client, Place, like_of, name, service

SWAPS = 1_000
OFTEN = 0.00001
"""Seconds between two threads' turns: hundreds of times as often as Python does by itself."""
PROMOTIONS = 20
VERSIONS = 5
ASKERS = 3
BATCH = [PERSON | {"hairstyle": f"{number} style a"} for number in range(1, VERSIONS + 1)] * 4


@pytest.fixture(autouse=True)
def interrupted_often() -> Iterator[None]:
    """Every answer is interrupted by the thread that swaps."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(OFTEN)
    yield
    sys.setswitchinterval(before)


def one_version(client: Client, shas: dict[str, str]) -> str:
    """The version that gave three answers, each of them by it alone."""
    # Recorded, so that the answer is interrupted in its middle
    styles = client.post("/recommend", PERSON).json
    assert styles["recorded"] is True
    number = int(styles["version"].removeprefix("m-"))
    assert styles["sha"] == shas[styles["version"]]
    assert {item["style"].split()[0] for item in styles["items"]} == {str(number)}
    assert styles["items"][0]["like_probability"] == like_of(number)

    batch = client.post("/predict/batch", {"items": BATCH}).json
    number = int(batch["version"].removeprefix("m-"))
    assert batch["sha"] == shas[batch["version"]]
    # Each version has learned its own styles alone, so it knows one item in VERSIONS
    known = [item["known"]["hairstyle"] for item in batch["items"]]
    assert known == [at % VERSIONS == number - 1 for at in range(len(BATCH))]
    assert {item["like_probability"] for item in batch["items"]} == {like_of(number)}

    told = client.get("/model").json
    assert told["sha"] == shas[told["version"]]
    return str(batch["version"])


def hammered(port: int, shas: dict[str, str], while_: Callable[[], None]) -> list[str]:
    """The versions that answered while something else went on; any inconsistency is raised."""
    over, seen, wrong = threading.Event(), list[str](), list[BaseException]()

    def ask() -> None:
        client = Client(port)
        try:
            while not over.is_set() and not wrong:
                seen.append(one_version(client, shas))
        except BaseException as error:
            wrong.append(error)
        finally:
            client.close()

    askers = [threading.Thread(target=ask) for _ in range(ASKERS)]
    for asker in askers:
        asker.start()
    try:
        while_()
    finally:
        over.set()
        for asker in askers:
            asker.join()
    assert wrong == [], wrong[0]
    return seen


def published(place: Place) -> list[Model]:
    """Versions 1 to VERSIONS, checked and loaded."""
    models = []
    for number in range(1, VERSIONS + 1):
        entry = place.promote(number, place.publish(number))
        models.append(loading.load(place.store, entry, datetime.now(UTC)))
    return models


def test_a_thousand_swaps_mix_no_answer(empty: Place) -> None:
    models = published(empty)
    shas = {model.version: model.sha for model in models}
    with service(empty) as found:
        seen = hammered(found.client.port, shas, lambda: swap(found.serving, models))

    # Then every version was seen in between, so there was something to mix
    assert set(seen) == set(shas)


def swap(serving: Serving, models: Sequence[Model]) -> None:
    """As it swaps by itself: one assignment, a thousand times."""
    for number in range(SWAPS):
        model = replace(models[number % VERSIONS], serial=number)
        serving.state = State(model=model)
        time.sleep(0.002)  # or no request would fit in between


def test_promotions_mix_no_answer_and_lose_none(empty: Place) -> None:
    shas = {model.version: model.sha for model in published(empty)}
    with service(empty) as found:

        def promote() -> None:
            for number in range(PROMOTIONS):
                version = number % VERSIONS + 1
                empty.promote(version, shas[name(version)])
                found.serving.look()
                assert found.serving.state.model is not None
                assert found.serving.state.model.version == name(version)

        seen = hammered(found.client.port, shas, promote)

    assert len(set(seen)) > 1
