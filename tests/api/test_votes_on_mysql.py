"""A server of MySQL that is set up otherwise: votes are as exact and as whole as ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from local.mariadb import Server
from tests.api.service import Place, until
from tests.api.votes_table import on_server, recommend, serving, vote


@pytest.fixture
def rounding(mariadb: Server) -> Iterator[None]:
    """The server rounds times that are too precise for a column, as MySQL does by itself."""
    mariadb.execute("SET GLOBAL sql_mode = CONCAT(@@sql_mode, ',TIME_ROUND_FRACTIONAL')")
    yield
    mariadb.execute("SET GLOBAL sql_mode = DEFAULT")


def test_a_time_is_cut_off_where_the_column_keeps_whole_seconds(
    place: Place, mariadb: Server, rounding: None
) -> None:
    votes = on_server(mariadb, 3, whole_seconds=True)
    with serving(place, votes) as found:
        given = recommend(found)["recommendation_id"]
        until(lambda: 500_000 < datetime.now(UTC).microsecond < 600_000)  # rounds up

        vote(found, given, 1, "like")
        with votes.open() as db:
            clock = db.clock()

    ((at,),) = votes.rows("feedback_at")
    assert at.replace(tzinfo=UTC) <= clock


@pytest.fixture
def lenient(mariadb: Server) -> Iterator[None]:
    """The server cuts what does not fit a column, as RDS may be set up to."""
    mariadb.execute("SET GLOBAL sql_mode = 'NO_ENGINE_SUBSTITUTION'")
    yield
    mariadb.execute("SET GLOBAL sql_mode = DEFAULT")


def test_a_vote_that_its_column_has_no_room_for_is_refused_and_not_cut(
    place: Place, mariadb: Server, lenient: None, caplog: pytest.LogCaptureFixture
) -> None:
    votes = on_server(mariadb, 3, whole_seconds=True)
    votes.execute(
        "ALTER TABLE analysis_history MODIFY style_1_feedback ENUM('good', 'bad'), "
        "MODIFY style_2_feedback VARCHAR(4)"
    )
    with serving(place, votes) as found:
        given = recommend(found)["recommendation_id"]
        refused = [vote(found, given, position, "dislike") for position in (1, 2)]

    assert [answer.status for answer in refused] == [503, 503]
    assert caplog.text.count("a column has no room for what was to be written") == 2
    assert votes.rows("style_1_feedback", "style_2_feedback", "feedback_at") == [(None, None, None)]
