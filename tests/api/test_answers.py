"""What the service answers is what the version's table says, whoever asks and however spelt."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import numpy as np
import pytest

from api import model as models
from api.model import MAX_EXCLUSIONS, MAX_STYLES, tone_of
from common.registry.records import HistoryEntry
from tests.api.service import PERSON, STYLES, Client, Place, Service, like_of, name
from tests.learning import EPOCH, score_table, vocabulary

ALL_KNOWN = {"face_shape": True, "skin_tone": True, "hairstyle": True}


def test_a_prediction_is_the_cell_of_the_table(shared: Service, client: Client) -> None:
    answer = client.post("/predict", PERSON | {"hairstyle": "2 style a"})

    serving = shared.serving.state.model
    assert serving is not None
    assert answer.status == 200
    assert answer.json == {
        "version": name(2),
        "sha": serving.sha,
        "score": float(np.float32(1 - like_of(2))),
        "like_probability": like_of(2),
        "like": True,
        "known": ALL_KNOWN,
    }


def test_every_golden_request_is_answered_as_it_was_recorded(client: Client, place: Place) -> None:
    golden = json.loads(place.file(2, "self_test.json").read_bytes())["golden"]

    asked = [{k: g[k] for k in ("face_shape", "skin_tone", "hairstyle")} for g in golden]
    answer = client.post("/predict/batch", {"items": asked}).json

    figures = ("score", "like_probability", "like")
    assert [{k: item[k] for k in figures} for item in answer["items"]] == [
        {k: g[k] for k in figures} for g in golden
    ]
    assert len(golden) > 20


@pytest.mark.parametrize(
    "changes, known",
    [
        ({}, ALL_KNOWN),
        ({"hairstyle": "2 STYLE  a"}, ALL_KNOWN),
        ({"hairstyle": "never seen"}, ALL_KNOWN | {"hairstyle": False}),
        ({"hairstyle": ""}, ALL_KNOWN | {"hairstyle": False}),
        ({"face_shape": "square"}, ALL_KNOWN | {"face_shape": False}),
        ({"face_shape": None}, ALL_KNOWN | {"face_shape": False}),
        ({"face_shape": unicodedata.normalize("NFD", " 계란형 ")}, ALL_KNOWN),
        ({"personal_color": "봄웜톤"}, ALL_KNOWN),
        ({"personal_color": "spring"}, ALL_KNOWN | {"skin_tone": False}),
        ({"personal_color": None, "skin_tone": "웜톤"}, ALL_KNOWN),
        # Whoever names the neutral tone is understood, though it is the unknown one too
        ({"personal_color": None, "skin_tone": "중간톤"}, ALL_KNOWN),
        ({"personal_color": None, "skin_tone": "warm"}, ALL_KNOWN | {"skin_tone": False}),
        ({"skin_tone": "웜톤"}, ALL_KNOWN),  # beside the colour that says the same
    ],
)
def test_what_was_not_learned_is_said_and_answered_as_unknown(
    client: Client, changes: dict[str, Any], known: dict[str, bool]
) -> None:
    answer = client.post("/predict", PERSON | {"hairstyle": "2 style a"} | changes)

    assert (answer.status, answer.json["known"]) == (200, known)


def test_a_wrong_item_of_a_batch_costs_the_others_nothing(client: Client) -> None:
    good = PERSON | {"hairstyle": "2 style a"}
    items = [good, {"face_shape": 7}, good | {"skin_tone": "쿨톤"}, "text", good]

    answer = client.post("/predict/batch", {"items": items}, X_Request_ID="batch-1")

    assert answer.status == 200
    assert answer.json["version"] == name(2)
    first, *wrong, last = answer.json["items"]
    assert first == last
    assert first["like_probability"] == like_of(2)
    assert [item["error"]["status"] for item in wrong] == [422, 422, 422]
    assert {item["error"]["request_id"] for item in wrong} == {"batch-1"}
    assert "skin_tone must be that of personal_color" in wrong[1]["error"]["rule"]


@pytest.mark.parametrize("count, status", [(0, 422), (1, 200), (1000, 200), (1001, 422)])
def test_a_batch_holds_one_to_a_thousand_items(client: Client, count: int, status: int) -> None:
    items = [PERSON | {"hairstyle": "2 style a"}] * count

    assert client.post("/predict/batch", {"items": items}).status == status


def test_the_best_styles_come_first(client: Client) -> None:
    answer = client.post("/recommend", PERSON | {"k": 3, "record": False}).json

    assert [item["rank"] for item in answer["items"]] == [1, 2, 3]
    assert [item["style"] for item in answer["items"]] == ["2 style a", "2 style b", "2 style c"]
    assert answer["items"][0]["like_probability"] == like_of(2)
    assert answer["items"][0]["known"] == ALL_KNOWN
    assert answer["processing_ms"] >= 0


def test_a_style_can_be_left_out_by_any_spelling(client: Client) -> None:
    exclude = ["2 STYLE a", "2styleb", "never seen"]

    answer = client.post("/recommend", PERSON | {"k": 2, "exclude": exclude, "record": False}).json

    assert [item["style"] for item in answer["items"]] == ["2 style c", "2 style d"]


def test_every_learned_style_is_recommended_at_most_and_the_unknown_one_never(
    client: Client,
) -> None:
    answer = client.post("/recommend", PERSON | {"k": MAX_STYLES, "record": False}).json

    assert len(answer["items"]) == len({item["style"] for item in answer["items"]}) == STYLES
    assert "" not in {item["style"] for item in answer["items"]}


def entry() -> HistoryEntry:
    return HistoryEntry(
        serial=1, version="m-a", previous=None, run_id=None, action="promote", at=EPOCH, sha="s"
    )


def test_ties_are_broken_by_score_and_then_by_the_styles_order() -> None:
    # Given styles of one probability, the third of them with a better score, the unknown the best
    table = score_table(vocabulary("a", "b", "c", "d"), 0.5)
    table.score[:, :, 3] = 0.9
    table.like[:, :, 4] = 0.6
    table.like[:, :, 0] = 1.0

    model = models.made(entry(), table, EPOCH)

    best = model.recommend("계란형", tone_of("웜톤", None), k=9, without=())
    assert [style.name for style in best] == ["d", "c", "a", "b"]


def test_as_many_styles_as_can_be_left_out_leave_as_many_as_can_be_asked_for() -> None:
    known = vocabulary(*(f"s{i:03}" for i in range(MAX_STYLES + MAX_EXCLUSIONS + 20)))
    model = models.made(entry(), score_table(known, 0.5), EPOCH)
    tone = tone_of("웜톤", None)
    best = [style.key for style in model.recommend(None, tone, k=MAX_EXCLUSIONS, without=())]

    left = model.recommend(None, tone, k=MAX_STYLES, without=frozenset(best))

    assert len(left) == MAX_STYLES
    assert not {style.key for style in left} & set(best)
