"""Every shape and every ugly value of the source, read from both kinds of database."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from common import feedback
from task.extract import extract
from task.snapshot import SCHEMA
from tests.history import (
    CREATED,
    VOTED,
    History,
    MysqlHistory,
    SqliteHistory,
    analysis,
    read,
    styles,
    votes_in,
)

UGLY_TEXTS = [
    "Robert'); DROP TABLE analysis_history;--",
    'a "quoted" \\ back\\slash',
    "%s %(x)s {0} ? :x",
    "이모지 💇🏽‍♀️ 𝒜",
    "tab\there",
    "\x1f\x1e unit and record separators",
    "null",
]


def items(*found: object) -> str:
    return json.dumps(found, ensure_ascii=False)


def only_vote(history: History, tmp_path: Path, row: dict[str, object]) -> dict[str, Any]:
    history.store(row)
    (vote,) = votes_in(read(history, tmp_path / "votes.parquet"))
    return vote


def test_a_vote_has_every_column_in_order(history: History, tmp_path: Path) -> None:
    row = analysis(
        7,
        None,
        "good",
        recommended_styles=items(
            {}, {"style_name": " 가일  컷 ", "score": 87, "reason": "어울려요"}
        ),
        style_2_naver_clicked=1,
    )

    vote = only_vote(history, tmp_path, row)

    group = feedback.group("anonymous", "photo-7", 7)
    assert vote == {
        "analysis_id": 7,
        "style_index": 2,
        "group": group,
        "split": feedback.split(group),
        "face_shape": "계란형",
        "skin_tone": "웜톤",
        "hairstyle": "가일 컷",
        "score": 0.87,
        "feedback": "like",
        "naver_clicked": True,
        "reason": "어울려요",
        "created_at": CREATED,
        "feedback_at": VOTED,
    }
    file = tmp_path / "votes.parquet"
    assert pq.read_schema(file).equals(SCHEMA)
    assert list(vote) == SCHEMA.names


def test_all_three_generations_of_items_are_read(history: History, tmp_path: Path) -> None:
    first = {
        "style_name": "one",
        "reason": "r",
        "ml_confidence": 0.873,
        "confidence_level": "high",
        "image_search_url": "https://example.org",
    }
    second = {
        "hairstyle_id": None,
        "style_name": "two",
        "reason": "r",
        "source": "trending",
        "score": None,
        "rank": 2,
    }
    history.store(
        analysis(1, "like", "bad", recommended_styles=items(first, second)),
        analysis(
            2,
            "LIKE",
            "DISLIKE",
            recommended_styles=items(
                {"style": "three", "ml_confidence_score": 91}, {"hairstyle": "four"}
            ),
        ),
    )

    votes = votes_in(read(history, tmp_path / "votes.parquet"))

    assert [(v["hairstyle"], v["score"], v["feedback"], v["reason"]) for v in votes] == [
        ("one", 0.873, "like", "r"),
        ("two", None, "dislike", "r"),
        ("three", 0.91, "like", None),
        ("four", None, "dislike", None),
    ]


@pytest.mark.parametrize(
    ("vote", "text", "reason", "value"),
    [
        ("Like", styles("a"), "unknown_vote", "text of 4 characters"),
        ("", styles("a"), "unknown_vote", "text of 0 characters"),
        ("like ", styles("a"), "unknown_vote", "text of 5 characters"),
        ("👍", styles("a"), "unknown_vote", "text of 1 characters"),
        ("like", None, "no_styles", "null"),
        ("like", "", "no_styles", "null"),
        ("like", '[{"style_name": "a"}', "malformed_json", "text of 20 characters"),
        ("like", '["\\ud800"]', "malformed_json", "text of 10 characters"),
        ("like", "[" * 5_000, "malformed_json", "text of 5000 characters"),
        ("like", "9" * 5_000, "malformed_json", "text of 5000 characters"),
        ("like", "42", "not_a_list", "number"),
        ("like", "true", "not_a_list", "truth value"),
        ("like", '"a"', "not_a_list", "text of 1 characters"),
        ("like", '{"style_name": "a"}', "not_a_list", "object"),
        ("like", "null", "not_a_list", "null"),
        ("like", "[]", "no_item", "list of 0"),
        ("like", '["a"]', "not_an_item", "text of 1 characters"),
        ("like", "[[1, 2]]", "not_an_item", "list of 2"),
        ("like", "[null]", "not_an_item", "null"),
        ("like", '[{"score": 1}]', "no_style_name", "object"),
        ("like", '[{"style_name": " "}]', "no_style_name", "object"),
        ("like", '[{"style_name": 3, "style": "a"}]', "no_style_name", "object"),
    ],
)
def test_a_cell_that_is_no_vote_is_rejected_with_its_reason(
    history: History, tmp_path: Path, vote: str, text: str | None, reason: str, value: str
) -> None:
    history.store(analysis(1, vote, recommended_styles=text))

    snapshot = read(history, tmp_path / "votes.parquet")

    assert votes_in(snapshot) == []
    assert snapshot.rejected == {reason: 1}
    (sample,) = snapshot.samples
    assert (sample.reason, sample.style_index, sample.value) == (reason, 1, value)


def test_a_bad_cell_does_not_take_its_neighbours_along(history: History, tmp_path: Path) -> None:
    history.store(
        analysis(1, "like", "??", "bad"),
        analysis(2, "like", "like", "like", recommended_styles=styles("a", "b")),
    )

    snapshot = read(history, tmp_path / "votes.parquet")

    found = [(v["analysis_id"], v["style_index"]) for v in votes_in(snapshot)]
    assert found == [(1, 1), (1, 3), (2, 1), (2, 2)]
    assert snapshot.rejected == {"no_item": 1, "unknown_vote": 1}
    assert snapshot.read == snapshot.votes + sum(snapshot.rejected.values()) == 6
    assert (snapshot.checked, snapshot.checked_rejected) == (6, 2)


@pytest.mark.parametrize("score", ["NaN", "Infinity", "-0.1", "250", "true", '"0.9"', "1e999"])
def test_a_score_that_is_none_is_counted_and_the_vote_stays(
    history: History, tmp_path: Path, score: str
) -> None:
    history.store(
        analysis(1, "like", recommended_styles=f'[{{"style_name": "a", "ml_confidence": {score}}}]')
    )

    snapshot = read(history, tmp_path / "votes.parquet")

    (vote,) = votes_in(snapshot)
    assert (vote["hairstyle"], vote["score"]) == ("a", None)
    assert snapshot.noted["bad_score"] == 1
    assert snapshot.missing_scores == 1


@pytest.mark.parametrize("text", UGLY_TEXTS)
def test_any_text_in_any_field_is_only_text(history: History, tmp_path: Path, text: str) -> None:
    row = analysis(
        1,
        "like",
        text[:10],
        user_id=text,
        image_hash=text[:64],
        face_shape=text,
        personal_color=text,
        recommended_styles=items({"style_name": text, "reason": text}, {"style_name": "b"}),
    )

    vote = only_vote(history, tmp_path, row)

    assert vote["hairstyle"] == feedback.display_name(text)
    assert vote["reason"] == text
    assert vote["group"] == feedback.group(text, None, 1)
    assert (vote["face_shape"], vote["skin_tone"]) == (None, "중간톤")


def test_nothing_but_a_vote_and_a_name_is_needed(history: History, tmp_path: Path) -> None:
    row = analysis(9, "like") | dict.fromkeys(
        ["user_id", "image_hash", "face_shape", "personal_color", "created_at", "feedback_at"]
    )

    vote = only_vote(history, tmp_path, row)

    assert vote["group"] == feedback.group(None, None, 9)
    assert (vote["face_shape"], vote["skin_tone"], vote["naver_clicked"]) == (None, "중간톤", False)
    assert (vote["created_at"], vote["feedback_at"]) == (None, None)


def test_five_votes_a_row_are_read_where_the_table_has_five(
    tmp_path: Path, mysql_history: MysqlHistory
) -> None:
    names = styles("a", "b", "c", "d", "e")
    rows = [
        analysis(1, "like", None, None, "bad", "good", recommended_styles=names),
        analysis(2, None, None, None, None, "bad", recommended_styles=names),
    ]
    five = MysqlHistory(mysql_history.server, f"{mysql_history.database}_five", votes=5)
    histories: list[History] = [SqliteHistory(tmp_path / "five.sqlite", votes=5), five]
    for history in histories:
        history.store(*rows)

        votes = votes_in(read(history, tmp_path / "votes.parquet"))

        assert [(v["style_index"], v["hairstyle"]) for v in votes] == [
            (1, "a"),
            (4, "d"),
            (5, "e"),
            (5, "e"),
        ]


def test_only_voted_rows_are_read_and_they_come_in_order(history: History, tmp_path: Path) -> None:
    # Given ids with gaps, half of them without a vote, in a table that has another order
    for row_id in (900_000_000, 5, 70, 11, 1):
        history.store(analysis(row_id, None, "like", "bad"), analysis(row_id + 1))
    history.execute("ALTER TABLE analysis_history RENAME TO stored")
    history.execute(
        "CREATE VIEW analysis_history AS SELECT * FROM stored ORDER BY id DESC LIMIT 99"
    )

    snapshot = read(history, tmp_path / "votes.parquet")

    keys = [(vote["analysis_id"], vote["style_index"]) for vote in votes_in(snapshot)]
    assert keys == sorted(keys)
    assert (snapshot.rows, len(keys)) == (5, 10)


def test_zero_votes_are_an_empty_snapshot(history: History, tmp_path: Path) -> None:
    history.store(analysis(1), analysis(2))

    snapshot = read(history, tmp_path / "votes.parquet")

    assert votes_in(snapshot) == []
    assert (snapshot.votes, snapshot.new_votes, snapshot.newest) == (0, 0, None)
    assert snapshot.splits == {"train": 0, "validation": 0, "test": 0}
    assert pq.read_schema(snapshot.path).equals(SCHEMA)


def test_ten_thousand_styles_are_read(history: History, tmp_path: Path) -> None:
    names = [f"스타일 {number}" for number in range(10_000)]
    history.store(
        *(
            analysis(start + 1, "like", "bad", "good", recommended_styles=styles(*trio))
            for start in range(0, 10_000, 3)
            for trio in [names[start : start + 3]]
        )
    )

    snapshot = read(history, tmp_path / "votes.parquet")

    assert [vote["hairstyle"] for vote in votes_in(snapshot)] == names
    assert snapshot.rejected == {"no_item": 2}


def test_the_counts_describe_the_votes(history: History, tmp_path: Path) -> None:
    # Given a verdict, votes around it, one in the future and one of unknown time
    verdict = datetime(2026, 2, 1, tzinfo=UTC)
    history.store(
        analysis(1, "like", "bad", feedback_at="2026-02-01 00:00:00"),
        analysis(2, "like", "bad", feedback_at="2026-02-01 00:00:01", face_shape=None),
        analysis(3, "bad", feedback_at="2999-01-01 00:00:00"),
        analysis(4, "like", feedback_at=None),
    )

    first = read(history, tmp_path / "first.parquet")
    later = read(history, tmp_path / "later.parquet", since=verdict)

    assert (first.votes, first.likes, first.late, first.missing_times) == (6, 3, 1, 1)
    assert (first.new_votes, first.new_likes) == (6, 3)
    assert (later.new_votes, later.new_likes) == (2, 1)
    assert later.unknown_faces == 2
    assert later.newest == verdict + timedelta(seconds=1)
    assert (later.score_low, later.score_high) == (0.5, 0.5)
    assert sum(later.splits.values()) == 6
    assert later.last_verdict_cutoff == verdict


def test_samples_are_few_and_hold_no_personal_data(history: History, tmp_path: Path) -> None:
    secret = "kim-the-person"
    history.store(
        *(analysis(i, secret[:10], secret[:9], user_id=secret) for i in range(1, 40)),
        analysis(50, "like", recommended_styles=f'{{"name": "{secret}"}}', image_hash=secret),
    )

    snapshot = read(history, tmp_path / "votes.parquet")

    assert snapshot.rejected == {"not_a_list": 1, "unknown_vote": 78}
    assert 2 <= len(snapshot.samples) <= 20
    assert {sample.reason for sample in snapshot.samples} == {"not_a_list", "unknown_vote"}
    assert secret[:9] not in repr(snapshot.samples)


def test_repeated_votes_and_a_busy_group_are_measured(history: History, tmp_path: Path) -> None:
    # Given one photo whose person voted on the same style four times, and six other photos
    history.store(
        *(
            analysis(i, "like", image_hash="same", recommended_styles=styles(name))
            for i, name in enumerate(["가일컷", "가일 컷", " 가일컷", "가일컷"])
        ),
        *(analysis(i, "like") for i in range(10, 16)),
    )

    snapshot = read(history, tmp_path / "votes.parquet")

    assert snapshot.duplicate_share == pytest.approx(3 / 10)
    assert snapshot.busiest_share == pytest.approx(4 / 10)


def test_the_same_rows_give_the_same_fingerprint_in_both_kinds(
    sqlite_history: SqliteHistory, mysql_history: MysqlHistory, tmp_path: Path
) -> None:
    rows = [
        analysis(1, "like", "bad", "??"),
        analysis(2, "good", user_id="kim 💇", feedback_at="2026-02-01 00:00:00.123456"),
        analysis(3, "bad", feedback_at=None, recommended_styles='[{"style": "a", "score": NaN}]'),
    ]
    fingerprints = set()
    histories: list[History] = [sqlite_history, mysql_history]
    for number, history in enumerate(histories):
        history.store(*rows)
        fingerprints.add(read(history, tmp_path / f"{number}.parquet").fingerprint)

    assert len(fingerprints) == 1


def test_progress_tells_the_rows_read_so_far(history: History, tmp_path: Path) -> None:
    history.store(*(analysis(i, "like") for i in range(5_000)))
    told: list[int] = []

    with history.open() as db:
        extract(
            db,
            tmp_path / "votes.parquet",
            base=None,
            last_verdict=None,
            overlap=timedelta(),
            full=True,
            progress=told.append,
        )

    assert told == [4_096, 5_000]
