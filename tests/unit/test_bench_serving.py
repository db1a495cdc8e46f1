"""The contests about serving: both contestants answer with one model, and the same."""

from __future__ import annotations

import pytest

from api.model import tone_of
from api.schemas import RecommendRequest
from bench import served, top_styles, torch_api
from bench.top_styles import Ask
from task.artifact import ScoreTable
from task.models.embedding import Network

STYLES = 40


@pytest.fixture(scope="module")
def contest() -> tuple[Network, ScoreTable]:
    known = served.vocabulary(STYLES)
    network = served.network(known)
    return network, top_styles.score_table(network, known)


def test_every_arm_names_the_same_ten_styles_of_which_none_is_the_unknown_one(
    contest: tuple[Network, ScoreTable],
) -> None:
    network, table = contest
    arms: list[Ask] = [
        top_styles.from_model(top_styles.loaded(table)),
        top_styles.sorting(table),
        top_styles.eager(network, table.vocabulary),
    ]

    for pair in served.PAIRS:
        one, two, three = (arm(*pair) for arm in arms)
        assert one == two == three
        assert len(set(one)) == top_styles.TEN
        assert set(one) <= set(table.vocabulary.names[1:])
    assert len({tuple(arms[0](*pair)) for pair in served.PAIRS}) > 1  # it does depend on people


def test_one_answer_that_differs_is_counted() -> None:
    def one(face: str, colour: str) -> list[str]:
        return [face, colour]

    def other(face: str, colour: str) -> list[str]:
        return [face, colour if face == served.PAIRS[0][0] else "x"]

    assert top_styles.agreeing(one, one) == 1.0
    same = sum(face == served.PAIRS[0][0] for face, _ in served.PAIRS)
    assert top_styles.agreeing(one, other) == same / len(served.PAIRS) < 1.0


def test_the_torch_program_answers_as_the_service_does(
    contest: tuple[Network, ScoreTable],
) -> None:
    network, table = contest
    model, codes = top_styles.loaded(table), served.codes(table.vocabulary, 0, 0)
    for face, colour in served.PAIRS:
        asked = RecommendRequest.model_validate(
            {"face_shape": face, "personal_color": colour, "k": 7}
        )

        theirs = torch_api.best(network, table.vocabulary, codes, asked)
        ours = model.recommend(face, tone_of(None, colour), k=7, without=())

        assert [item["style"] for item in theirs] == [style.name for style in ours]
        assert [item["score"] for item in theirs] == [style.score for style in ours]
        assert [item["like_probability"] for item in theirs] == [style.like for style in ours]
