"""The generated table: what must be in it is in it, in the shares it should have."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common import feedback
from common.feedback import FACE_SHAPES, SKIN_TONES, VOTES, style_key, utc_microseconds
from local.rows import FAULTS
from local.table import create_sqlite
from local.votes import SavedRow, change_votes, overwrite_with_like, restore, write_votes
from local.world import World, make_world

START = datetime(2025, 3, 1, tzinfo=UTC)
END = datetime(2025, 9, 1, tzinfo=UTC)
LATER = datetime(2025, 10, 1, 12, tzinfo=UTC)

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("rules", styles=40, seed=1, skewed=True)


def filled(path: Path, world: World, votes: int, *, ugly: bool, styles: int = 3) -> Rows:
    with_table = create_sqlite(path, styles=styles)
    write_votes(with_table, world, votes, seed=7, ugly=ugly, start=START, end=END)
    rows = read(with_table)
    with_table.close()
    return rows


def read(connection: sqlite3.Connection) -> Rows:
    cursor = connection.execute("SELECT * FROM analysis_history ORDER BY id")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


@pytest.fixture(scope="module")
def ugly(world: World, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return filled(tmp_path_factory.mktemp("ugly") / "votes.db", world, 12_000, ugly=True)


@pytest.fixture(scope="module")
def clean(world: World, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return filled(tmp_path_factory.mktemp("clean") / "votes.db", world, 6_000, ugly=False)


@pytest.fixture
def table(world: World, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = create_sqlite(tmp_path / "votes.db")
    write_votes(connection, world, 1_500, seed=7, ugly=True, start=START, end=END)
    yield connection
    connection.close()


def cells(row: dict[str, Any]) -> list[str | None]:
    return [row[f"style_{i}_feedback"] for i in range(1, 6) if f"style_{i}_feedback" in row]


def items(row: dict[str, Any]) -> list[Any]:
    """The items of a row's list; [] if there is none."""
    try:
        found = json.loads(row["recommended_styles"])
    except (TypeError, ValueError):
        return []
    return found if isinstance(found, list) else []


def all_items(rows: Rows) -> Iterator[dict[str, Any]]:
    return (item for row in rows for item in items(row))


def usable(row: dict[str, Any], i: int) -> bool:
    """Whether the i-th vote can be used, by the definition that the whole loop shares."""
    listed = items(row)
    return cells(row)[i] in VOTES and i < len(listed) and bool(feedback.item_name(listed[i]))


def content(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT * FROM analysis_history ORDER BY id").fetchall()


def test_clean_rows_hold_exactly_as_many_votes_as_asked_and_all_can_be_used(clean: Rows) -> None:
    votes = [usable(row, i) for row in clean for i, vote in enumerate(cells(row)) if vote]

    assert len(votes) == 6_000
    assert all(votes)


@pytest.mark.parametrize("votes", [0, 1, 9, 60])
def test_a_handful_of_votes_can_be_written(tmp_path: Path, world: World, votes: int) -> None:
    rows = filled(tmp_path / "votes.db", world, votes, ugly=False)

    assert sum(vote in VOTES for row in rows for vote in cells(row)) == votes


def test_votes_beyond_one_chunk_are_all_written(tmp_path: Path, world: World) -> None:
    connection = create_sqlite(tmp_path / "votes.db")

    written = write_votes(connection, world, 45_000, seed=1, ugly=False, start=START, end=END)

    assert written.cells == written.votes == 45_000
    people = connection.execute("SELECT COUNT(DISTINCT image_hash) FROM analysis_history")
    # Chunks have people of their own, two analyses each on average.
    assert people.fetchone()[0] == pytest.approx(written.analyses / 2, rel=0.05)
    connection.close()


def test_the_same_seed_writes_the_same_table(tmp_path: Path, world: World) -> None:
    first = filled(tmp_path / "1.db", world, 500, ugly=True)
    again = filled(tmp_path / "2.db", world, 500, ugly=True)

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


def test_the_five_vote_form_takes_votes_on_every_place(tmp_path: Path, world: World) -> None:
    rows = filled(tmp_path / "votes.db", world, 3_000, ugly=True, styles=5)

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
    rows = filled(tmp_path / "votes.db", world, 30_000, ugly=True)

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


def test_the_counted_rejects_are_those_that_the_shared_definition_rejects(
    tmp_path: Path, world: World
) -> None:
    # Given an ugly table
    connection = create_sqlite(tmp_path / "votes.db")
    written = write_votes(connection, world, 12_000, seed=7, ugly=True, start=START, end=END)
    rows = read(connection)
    connection.close()

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


def test_style_names_have_near_duplicates_and_notes(ugly: Rows, world: World) -> None:
    names = {
        next(item[key] for key in ("style_name", "style", "hairstyle") if key in item)
        for item in all_items(ugly)
    }

    assert {"가일 컷", "가일컷", "가일  컷"} <= names
    assert "가일 컷 (앞머리 짧게 ✨)" in names
    # Both spellings are one style, decomposed letters too; a note makes another.
    keys = {style_key(name) for name in names} - {""}
    assert len(names) > 4 * len(world.styles)
    assert len(keys) == 2 * len(world.styles)


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


def test_times_are_of_several_forms_and_all_can_be_read(ugly: Rows) -> None:
    texts = [row[name] for row in ugly for name in ("feedback_at", "created_at") if row[name]]

    assert {text[26:] for text in texts} == {"", "Z", "+00:00", "+09:00"}
    assert None not in {utc_microseconds(text) for text in texts}


def test_feedback_lies_in_the_window_but_for_a_few_wrong_clocks(
    tmp_path: Path, world: World
) -> None:
    connection = create_sqlite(tmp_path / "votes.db")
    written = write_votes(connection, world, 12_000, seed=7, ugly=True, start=START, end=END)
    rows = read(connection)
    connection.close()
    edges = [time.timestamp() * 1e6 for time in (START, END)]

    in_window = future = missing = 0
    for row in rows:
        votes = sum(vote is not None for vote in cells(row))
        time = row["feedback_at"] and utc_microseconds(row["feedback_at"])
        missing += votes if time is None else 0
        in_window += votes if time and edges[0] < time <= edges[1] else 0
        future += votes if time and time > edges[1] + 300 * 86_400 * 1e6 else 0

    assert 0 < future == written.future
    assert 0 < missing == written.no_time
    assert in_window == 12_000 - future - missing


def test_rows_without_a_vote_have_no_time_of_feedback(ugly: Rows) -> None:
    assert {row["feedback_at"] for row in ugly if not any(v is not None for v in cells(row))} == {
        None
    }


def test_votes_come_after_the_analysis_and_some_weeks_later(clean: Rows) -> None:
    delays = [
        (utc_microseconds(row["feedback_at"]) or 0) - (utc_microseconds(row["created_at"]) or 0)
        for row in clean
        if row["feedback_at"]
    ]

    assert min(delays) > 0
    assert np.mean(np.array(delays) > 7 * 86_400 * 1e6) == pytest.approx(0.023, abs=0.01)


def test_ids_follow_the_time_of_the_analysis_and_not_that_of_the_vote(clean: Rows) -> None:
    made = [utc_microseconds(row["created_at"]) or 0 for row in clean]
    voted = [utc_microseconds(row["feedback_at"]) or 0 for row in clean if row["feedback_at"]]

    assert made == sorted(made)
    assert voted != sorted(voted)


def test_a_window_of_one_second_can_be_filled(tmp_path: Path, world: World) -> None:
    # Given that acts of a demo follow each other within moments
    connection = create_sqlite(tmp_path / "votes.db")
    end = START + timedelta(seconds=1)

    # When votes are written between two of them
    write_votes(connection, world, 60, seed=1, ugly=False, start=START, end=end)

    # Then all of them lie after the first and not after the second
    times = [utc_microseconds(row["feedback_at"]) for row in read(connection) if row["feedback_at"]]
    connection.close()
    low, high = (time.timestamp() * 1e6 for time in (START, end))
    assert len(times) > 30
    assert all(time is not None and low < time <= high for time in times)


def test_the_table_has_an_index_on_the_time_of_feedback(table: sqlite3.Connection) -> None:
    plan = table.execute(
        "EXPLAIN QUERY PLAN SELECT id FROM analysis_history WHERE feedback_at > '2025'"
    ).fetchall()

    assert "ix_feedback_at" in plan[0][3]


def test_people_vote_again_on_old_rows_by_their_new_tastes(
    table: sqlite3.Connection, world: World
) -> None:
    # Given a world in which nobody likes anything any more
    before = read(table)
    gloomy = World(
        styles=world.styles,
        log_odds=np.full_like(world.log_odds, -50.0),
        face_share=world.face_share,
        tone_share=world.tone_share,
        style_share=world.style_share,
    )

    # When people vote again on 200 rows
    changed = change_votes(table, gloomy, 200, seed=1, at=LATER)

    # Then those rows, and no others, were voted on at that time
    after = read(table)
    moved = [(b, a) for b, a in zip(before, after, strict=True) if a != b]
    assert len(moved) == 200
    assert {a["feedback_at"] for _, a in moved} == {"2025-10-01 12:00:00.000000"}
    # And each readable vote is a dislike, while what was no vote still is none
    new = Counter(
        v for b, a in moved for w, v in zip(cells(b), cells(a), strict=True) if w is not None
    )
    assert new["dislike"] >= changed > 250
    assert new["like"] + new["good"] + new["LIKE"] < 0.1 * changed  # those that cannot be read
    for b, a in moved:
        assert [v is None for v in cells(b)] == [v is None for v in cells(a)]


def test_voting_again_is_decided_by_its_seed(tmp_path: Path, world: World) -> None:
    tables = []
    for name, seed in (("1.db", 5), ("2.db", 5), ("3.db", 6)):
        connection = create_sqlite(tmp_path / name)
        write_votes(connection, world, 300, seed=7, ugly=True, start=START, end=END)
        change_votes(connection, world, 50, seed=seed, at=LATER)
        tables.append(content(connection))
        connection.close()

    assert tables[0] == tables[1]
    assert tables[0] != tables[2]


def test_the_bug_upstream_likes_everything_and_can_be_repaired(table: sqlite3.Connection) -> None:
    # Given a table
    before = content(table)

    # When the bug strikes 300 rows
    saved = overwrite_with_like(table, 300, seed=1, at=LATER)

    # Then those rows like everything, at that time
    struck = [row for row in read(table) if row["feedback_at"] == "2025-10-01 12:00:00.000000"]
    assert len(struck) == len(saved) == 300
    assert {vote for row in struck for vote in cells(row)} == {"like"}

    # And the repair leaves no trace
    restore(table, saved)
    assert content(table) == before


def test_the_bug_strikes_every_row_when_there_are_fewer_than_asked(
    table: sqlite3.Connection,
) -> None:
    saved = overwrite_with_like(table, 10_000_000, seed=1, at=LATER)

    assert len(saved) == len(content(table))
    assert all(isinstance(row, SavedRow) for row in saved)
