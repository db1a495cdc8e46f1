"""The generated table: what must be in it is in it, in the shares it should have."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from common import feedback
from common.feedback import FACE_SHAPES, SKIN_TONES, VOTES, style_key
from local.rows import FAULTS
from local.table import create_sqlite
from local.votes import write_votes
from local.world import make_world
from tests.unit.votes_samples import (
    END,
    START,
    Rows,
    a_world,
    all_items,
    cells,
    fill,
    items,
    usable,
)


@pytest.fixture(scope="module")
def ugly(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return fill(tmp_path_factory.mktemp("ugly") / "votes.db", 12_000, ugly=True)[0]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return fill(tmp_path_factory.mktemp("clean") / "votes.db", 6_000, ugly=False)[0]


def test_clean_rows_hold_exactly_as_many_votes_as_asked_and_all_can_be_used(clean: Rows) -> None:
    votes = [usable(row, i) for row in clean for i, vote in enumerate(cells(row)) if vote]

    assert len(votes) == 6_000
    assert all(votes)


@pytest.mark.parametrize("votes", [0, 1, 9, 60])
def test_a_handful_of_votes_can_be_written(tmp_path: Path, votes: int) -> None:
    rows = fill(tmp_path / "votes.db", votes, ugly=False)[0]

    assert sum(vote in VOTES for row in rows for vote in cells(row)) == votes


def test_votes_beyond_one_chunk_are_all_written(tmp_path: Path) -> None:
    connection = create_sqlite(tmp_path / "votes.db")

    written = write_votes(connection, a_world(), 45_000, seed=1, ugly=False, start=START, end=END)

    assert written.cells == written.votes == 45_000
    people = connection.execute("SELECT COUNT(DISTINCT image_hash) FROM analysis_history")
    # Chunks have people of their own, two analyses each on average.
    assert people.fetchone()[0] == pytest.approx(written.analyses / 2, rel=0.05)
    connection.close()


def test_the_same_seed_writes_the_same_table(tmp_path: Path) -> None:
    first = fill(tmp_path / "1.db", 500, ugly=True)[0]
    again = fill(tmp_path / "2.db", 500, ugly=True)[0]

    assert first == again


def test_the_first_style_gets_half_of_all_votes(ugly: Rows) -> None:
    places = Counter(i for row in ugly for i, vote in enumerate(cells(row)) if vote is not None)

    assert places.total() == 12_000
    assert places[0] / 12_000 == pytest.approx(0.5, abs=0.02)
    assert min(places[1], places[2]) > 1_000


def test_rows_have_none_to_three_votes_on_different_styles(ugly: Rows) -> None:
    sizes = Counter(sum(vote is not None for vote in cells(row)) for row in ugly)

    assert set(sizes) == {0, 1, 2, 3}
    assert sizes[0] / len(ugly) == pytest.approx(0.2, abs=0.02)
    for row in ugly:
        keys = [style_key(name) for item in items(row) if (name := feedback.item_name(item))]
        assert len(keys) == len(set(keys))


def test_the_five_vote_form_takes_votes_on_every_place(tmp_path: Path) -> None:
    rows = fill(tmp_path / "votes.db", 3_000, ugly=True, styles=5)[0]

    places = Counter(i for row in rows for i, vote in enumerate(cells(row)) if vote is not None)
    assert set(places) == {0, 1, 2, 3, 4}
    assert {len(items(row)) for row in rows} >= {1, 5}
    assert max(sum(vote is not None for vote in cells(row)) for row in rows) == 3


def test_like_rate_and_faces_are_those_of_the_world(clean: Rows) -> None:
    votes = [VOTES[vote] for row in clean for vote in cells(row) if vote]
    faces = Counter(row["face_shape"] for row in clean)

    assert votes.count("like") / len(votes) == pytest.approx(0.73, abs=0.03)
    assert faces[FACE_SHAPES[0]] / len(clean) == pytest.approx(0.86, abs=0.04)


def test_counting_recovers_the_world_from_the_table(tmp_path: Path) -> None:
    # Given many votes on few styles
    world = make_world("random", styles=6, seed=2)
    rows = fill(tmp_path / "votes.db", 30_000, ugly=True, world=world)[0]

    # When the usable ones are counted by the shared definitions
    likes, votes = np.zeros(world.p_like.shape), np.zeros(world.p_like.shape)
    places = {style_key(name): i for i, name in enumerate(world.styles)}
    for row in rows:
        face = feedback.face_shape(row["face_shape"])
        tone = SKIN_TONES.index(feedback.skin_tone(row["personal_color"]))
        for i, vote in enumerate(cells(row)):
            if vote is None or face is None or not usable(row, i):
                continue
            style = places.get(style_key(feedback.item_name(items(row)[i]) or ""))
            if style is not None and row["personal_color"] is not None:
                cell = FACE_SHAPES.index(face), tone, style
                votes[cell] += 1
                likes[cell] += VOTES[vote] == "like"

    # Then each cell's share lies within five standard errors of the truth
    assert votes.min() > 50
    assert np.all(np.abs(likes / votes - world.p_like) < 5 * np.sqrt(0.25 / votes))


def test_all_generations_of_items_stand_side_by_side(ugly: Rows) -> None:
    kinds = Counter(frozenset(item) for item in all_items(ugly))

    assert set(kinds) == {
        frozenset({"hairstyle_id", "style_name", "reason", "source", "score", "rank"}),
        frozenset(
            {"style_name", "reason", "ml_confidence", "confidence_level", "image_search_url"}
        ),
        frozenset({"style", "ml_confidence_score"}),
        frozenset({"hairstyle"}),
    }
    assert min(kinds.values()) > 500


def test_clean_rows_are_of_the_newest_generation_only(clean: Rows) -> None:
    assert {frozenset(item) for item in all_items(clean)} == {
        frozenset({"hairstyle_id", "style_name", "reason", "source", "score", "rank"})
    }
    assert {vote for row in clean for vote in cells(row)} == {"like", "dislike", None}


def test_all_six_spellings_and_unknown_values_occur(ugly: Rows) -> None:
    values = Counter(vote for row in ugly for vote in cells(row) if vote is not None)

    assert set(VOTES) < set(values)
    assert min(values[spelling] for spelling in VOTES) > 300
    unknown = set(values) - set(VOTES)
    assert {"Like", "good ", ""} <= unknown  # a case-blind or padding comparison takes these


def test_the_counted_rejects_are_those_that_the_shared_definition_rejects(tmp_path: Path) -> None:
    # Given an ugly table
    rows, written = fill(tmp_path / "votes.db", 12_000, ugly=True)

    # When each cell is judged by the definition that the loop uses
    judged = Counter(
        usable(row, i) for row in rows for i, vote in enumerate(cells(row)) if vote is not None
    )

    # Then the counts agree, every fault occurs, and the share is that of production
    assert judged[False] == sum(written.rejected.values())
    assert judged[True] == written.votes
    assert len(rows) == written.analyses
    assert set(written.rejected) == set(FAULTS)
    assert 0.02 < judged[False] / 12_000 < 0.04


def test_broken_lists_of_every_kind_occur(ugly: Rows) -> None:
    lists = [row["recommended_styles"] for row in ugly]

    assert None in lists
    assert "3" in lists
    assert any(text and text.startswith("[") and not text.endswith("]") for text in lists)
    assert any(len(items(row)) == 1 for row in ugly)
    assert any(feedback.item_name(item) is None for item in all_items(ugly))


def test_style_names_have_near_duplicates_and_notes(ugly: Rows) -> None:
    names = {
        next(item[key] for key in ("style_name", "style", "hairstyle") if key in item)
        for item in all_items(ugly)
    }

    assert {"가일 컷", "가일컷", "가일  컷"} <= names
    assert "가일 컷 (앞머리 짧게 ✨)" in names
    # Both spellings are one style, decomposed letters too; a note makes another.
    keys = {style_key(name) for name in names} - {""}
    assert len(names) > 4 * len(a_world().styles)
    assert len(keys) == 2 * len(a_world().styles)


def test_faces_and_colours_are_missing_unknown_and_suffixed(ugly: Rows) -> None:
    faces = Counter(row["face_shape"] for row in ugly)
    colours = Counter(row["personal_color"] for row in ugly)

    assert set(faces) == {*FACE_SHAPES, None, "마름모형"}
    assert set(colours) == {
        *("봄웜", "가을웜", "여름쿨", "겨울쿨", "봄웜톤", "가을웜톤", "여름쿨톤", "겨울쿨톤"),
        *(None, "뉴트럴"),
    }


def test_people_are_anonymous_named_or_nobody_and_photos_repeat(ugly: Rows) -> None:
    users = [row["user_id"] for row in ugly]
    photos = Counter(row["image_hash"] for row in ugly)

    assert users.count("anonymous") / len(users) == pytest.approx(0.9, abs=0.03)
    assert {None, " "} <= set(users)
    assert any(user and "'" in user for user in users)
    assert any(user and "💇" in user for user in users)
    assert photos[None] > 50
    assert max(count for photo, count in photos.items() if photo) >= 4
    assert all(len(photo) == 64 for photo in photos if photo)


def test_a_named_person_shows_several_photos(ugly: Rows) -> None:
    photos: dict[str, set[str]] = {}
    for row in ugly:
        if (row["user_id"] or "").startswith("mina-"):
            photos.setdefault(row["user_id"], set()).add(row["image_hash"])

    assert max(map(len, photos.values())) > 1


def test_scores_are_fractions_percentages_or_nonsense(ugly: Rows) -> None:
    scores = [item[key] for item in all_items(ugly) for key in feedback.SCORE_KEYS if key in item]

    numbers = [score for score in scores if score is not None]
    assert None in scores
    assert {87, 250, -0.2} <= set(numbers)
    assert any(np.isnan(numbers))
    assert sum(1 < score <= 100 for score in numbers) > 100
    assert sum(0 <= score <= 1 for score in numbers) / len(scores) > 0.75


def test_texts_hold_quotes_sql_and_emoji(ugly: Rows) -> None:
    reasons = "".join({item["reason"] for item in all_items(ugly) if "reason" in item})

    assert all(part in reasons for part in ('"', "'", "\\", "DROP TABLE", "💇"))
