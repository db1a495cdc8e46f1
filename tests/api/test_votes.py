"""What is recommended is on record, and a vote for it comes out of the reader of the next run."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from common.settings import load
from common.votes_writer import open_writer
from local.mariadb import Server
from task.extract import extract
from tests.api.service import PERSON, Place, name, service
from tests.api.votes_table import Made, Votes, counted, in_file, on_server, recommend, serving, vote
from tests.history import HOUR, votes_in
from tests.unit.place import Place as Loop

VOTED = ("style_1_feedback", "style_2_feedback", "style_1_naver_clicked", "feedback_at")


@pytest.fixture(params=["sqlite", "mysql"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    """Makes the table of each kind, with a user who may do no more than is needed."""
    if request.param == "sqlite":
        return lambda styles=3, whole_seconds=True: in_file(tmp_path, styles, whole_seconds)
    server: Server = request.getfixturevalue("mariadb")
    return lambda styles=3, whole_seconds=True: on_server(server, styles, whole_seconds)


@pytest.fixture
def votes(made: Made) -> Votes:
    return made()


def test_a_recommendation_is_written_as_the_application_writes_it(
    place: Place, votes: Votes
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    with serving(place, votes) as found:
        answer = recommend(found, face_shape=" 계란형", personal_color="봄웜톤")

    (row,) = votes.rows("user_id", "image_hash", "face_shape", "personal_color", *VOTED)
    assert row == ("anonymous", None, "계란형", "봄웜", *[None] * len(VOTED))
    ((items, created),) = votes.rows("recommended_styles", "created_at")
    number, _, token = answer["recommendation_id"].partition("-")
    assert number == "1"
    assert [item["style_name"] for item in json.loads(items)] == [
        item["style"] for item in answer["items"]
    ]
    assert json.loads(items)[0] == {
        "hairstyle_id": None,
        "style_name": "2 style a",
        "reason": None,
        "source": "ml",
        "score": answer["items"][0]["score"],
        "rank": 1,
        "model_version": name(2),
        "recommendation": token,
    }
    at = datetime.fromisoformat(str(created)).replace(tzinfo=UTC)
    assert before <= at <= datetime.now(UTC)


def test_a_vote_comes_out_of_the_reader_of_the_next_run(
    place: Place, votes: Votes, tmp_path: Path
) -> None:
    with serving(place, votes) as found:
        given = recommend(found, personal_color="여름쿨")["recommendation_id"]
        assert vote(found, given, 1, "like").json["changed"] is True
        assert vote(found, given, 2, "dislike").json["changed"] is True
        assert vote(found, given, 2, "click").json["changed"] is True

    with votes.open() as db:
        snapshot = extract(
            db, tmp_path / "votes.parquet", base=None, last_verdict=None, overlap=HOUR, full=True
        )
    columns = ("style_index", "hairstyle", "face_shape", "skin_tone", "feedback", "naver_clicked")
    assert [tuple(one[column] for column in columns) for one in votes_in(snapshot)] == [
        (1, "2 style a", "계란형", "쿨톤", "like", False),
        (2, "2 style b", "계란형", "쿨톤", "dislike", True),
    ]
    assert {one["feedback_at"] is not None for one in votes_in(snapshot)} == {True}
    assert snapshot.rejected == {}


def test_a_vote_is_new_to_the_run_after_it_and_never_from_the_future(
    place: Place, made: Made
) -> None:
    # Given a table that keeps microseconds, as a window must be exact to be tried at once
    votes = made(whole_seconds=False)
    with votes.open() as db:
        cutoff = db.clock()
    with serving(place, votes) as found:
        vote(found, recommend(found)["recommendation_id"], 1, "like")

    with votes.open() as db:
        counts = db.count_votes(cutoff)
    assert (counts.total, counts.new, counts.unknown) == (1, 1, 0)


def test_the_same_vote_again_changes_nothing(place: Place, votes: Votes) -> None:
    with serving(place, votes) as found:
        given = recommend(found)["recommendation_id"]
        vote(found, given, 1, "like")
        votes.execute("UPDATE analysis_history SET feedback_at = '2026-01-01 00:00:00'")
        before = votes.rows(*VOTED)

        again = vote(found, given, 1, "like")

        assert (again.status, again.json["changed"]) == (200, False)
        assert votes.rows(*VOTED) == before
        assert counted(found, f'hairme_votes_total{{version="{name(2)}",vote="like"}} 1.0')


def test_another_vote_replaces_the_first_and_moves_its_time(place: Place, votes: Votes) -> None:
    with serving(place, votes) as found:
        given = recommend(found)["recommendation_id"]
        vote(found, given, 1, "like")
        votes.execute("UPDATE analysis_history SET feedback_at = '2026-01-01 00:00:00'")

        changed = vote(found, given, 1, "dislike")

        assert changed.json == {
            "recommendation_id": given,
            "position": 1,
            "feedback": "dislike",
            "changed": True,
        }
        ((first, second, _, at),) = votes.rows(*VOTED)
        assert (first, second) == ("dislike", None)
        assert not str(at).startswith("2026-01-01")


def test_a_click_is_no_vote_and_moves_no_time(place: Place, votes: Votes) -> None:
    with serving(place, votes) as found:
        given = recommend(found)["recommendation_id"]

        assert vote(found, given, 1, "click").json["changed"] is True
        assert vote(found, given, 1, "click").json["changed"] is False

        assert votes.rows(*VOTED) == [(None, None, 1, None)]
        assert counted(found, f'hairme_clicks_total{{version="{name(2)}"}} 1.0')


@pytest.mark.parametrize("styles", [3, 5])
def test_positions_are_votable_as_far_as_the_table_has_columns(
    place: Place, made: Made, styles: int
) -> None:
    with serving(place, made(styles)) as found:
        answer = recommend(found, k=8)

        votable = [item["votable"] for item in answer["items"]]
        assert votable == [True] * styles + [False] * (8 - styles)
        assert counted(found, f'hairme_impressions_total{{version="{name(2)}"}} {styles}.0')
        given = answer["recommendation_id"]
        assert vote(found, given, styles, "like").status == 200
        refused = vote(found, given, styles + 1, "like")
        assert refused.status == 409
        assert f"1 to {styles} of this" in refused.json["rule"]


def test_no_vote_is_taken_for_a_position_at_which_nothing_was_shown(
    place: Place, votes: Votes
) -> None:
    with serving(place, votes) as found:
        given = recommend(found, k=1)["recommendation_id"]

        assert vote(found, given, 2, "like").status == 409
    assert votes.rows(*VOTED) == [(None,) * len(VOTED)]


def test_a_vote_for_what_was_never_recommended_tells_nothing(place: Place, votes: Votes) -> None:
    # Given rows of the application's own beside ours
    votes.execute("INSERT INTO analysis_history (recommended_styles) VALUES ('[{}]')")
    votes.execute("INSERT INTO analysis_history (recommended_styles) VALUES ('no JSON')")
    votes.execute("INSERT INTO analysis_history (recommended_styles) VALUES (NULL)")
    with serving(place, votes) as found:
        given = recommend(found)["recommendation_id"]
        row, _, token = given.partition("-")
        other = recommend(found)["recommendation_id"].partition("-")[2]
        rows = [row, row, "1", "2", "3", "999", "9" * 18]
        tokens = ["0" * 32, other, token, token, token, token, token]

        # When the token is another's, or the row another's, or there is no such row
        wrong = [f"{one}-{another}" for one, another in zip(rows, tokens, strict=True)]
        refused = [vote(found, each, at, "like") for each in wrong for at in (1, 4)]

        # Then each is refused by the very same answer
        told = {re.sub(r'"request_id":"\w+"', "", one.body.decode()) for one in refused}
        assert {one.status for one in refused} == {404}
        assert len(told) == 1
    assert votes.rows(*VOTED) == [(None,) * len(VOTED)] * 5


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"record": False}, "record is false"),
        ({"personal_color": None, "skin_tone": "웜톤"}, "recording needs personal_color"),
        ({"exclude": [f"2 style {x}" for x in "abcdefgh"]}, "no style was recommended"),
    ],
)
def test_what_is_not_recorded_says_why(
    place: Place, votes: Votes, changes: dict[str, object], why: str
) -> None:
    with serving(place, votes) as found:
        answer = recommend(found, **changes)

    assert (answer["recorded"], answer["recommendation_id"]) == (False, None)
    assert why in answer["why_not_recorded"]
    assert not any(item["votable"] for item in answer["items"])
    assert votes.rows("id") == []


def test_no_text_of_a_caller_gets_into_the_table(place: Place, votes: Votes) -> None:
    evil = "'); DROP TABLE analysis_history;--"
    with serving(place, votes) as found:
        answer = recommend(found, face_shape=evil, personal_color=evil, exclude=[evil])

    assert answer["recorded"] is True
    # Then the unknown face and colour are no name, which the reader takes for unknown
    assert votes.rows("face_shape", "personal_color") == [(None, None)]
    assert evil not in str(votes.rows("recommended_styles"))


def test_two_who_vote_at_once_change_it_once(place: Place, votes: Votes) -> None:
    settings = load(yaml_path=None, env_file=None, environ=votes.settings, flags={})
    writer = open_writer(settings)
    with closing(writer):
        row = writer.record(face_shape=None, personal_color=None, recommended_styles="[]")
        with ThreadPoolExecutor(4) as pool:
            changed = list(pool.map(lambda _: writer.vote(row, 1, "like"), range(12)))

    assert changed.count(True) == 1


def test_a_vote_is_in_the_snapshot_of_the_real_export(place: Place) -> None:
    with service(place) as found:
        vote(found, recommend(found)["recommendation_id"], 1, "like")

    done = Loop(place.folder).json("export", "--skip-data-check")

    assert done["counts"]["votes"] == 1
    (snapshot,) = (place.folder / "work").glob("*/votes.parquet")
    (exported,) = pq.read_table(snapshot).to_pylist()
    assert (exported["hairstyle"], exported["feedback"]) == ("2 style a", "like")


WRITES = [
    ("/recommend", PERSON),
    ("/feedback", {"recommendation_id": f"1-{'0' * 32}", "position": 1, "feedback": "like"}),
    ("/feedback", {"not": "even valid"}),
]


@pytest.mark.parametrize("path, content", WRITES)
@pytest.mark.parametrize("shown", [{}, {"X_API_Key": "other"}, {"X_API_Key": "k\xe9y"}])
def test_with_a_key_nobody_else_writes(
    place: Place, path: str, content: object, shown: dict[str, str]
) -> None:
    with service(place, key="kéy 한글".encode()) as found:
        refused = found.client.post(path, content, **shown)

    assert (refused.status, refused.headers["content-type"]) == (401, "application/problem+json")
    assert "한글" not in refused.body.decode()


def test_with_a_key_reading_stays_open_and_whoever_shows_it_writes(place: Place) -> None:
    with service(place, key=b"key") as found:
        client = found.client
        assert client.post("/recommend", PERSON | {"record": False}).status == 200
        assert client.post("/recommend", {"skin_tone": "웜톤"}).status == 200
        assert client.post("/predict", PERSON | {"hairstyle": "a"}).status == 200
        assert client.get("/model").status == 200

        given = client.post("/recommend", PERSON, X_API_Key="key").json["recommendation_id"]
        body = {"recommendation_id": given, "position": 1, "feedback": "like"}
        assert client.post("/feedback", body).status == 401
        assert client.post("/feedback", body, X_API_Key="key").json["changed"] is True
