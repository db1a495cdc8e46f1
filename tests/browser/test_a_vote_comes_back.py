"""The loop is closed: what a person likes on the page is what the next run learns from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from selenium.webdriver import Chrome

from common.feedback import display_name
from local.mariadb import READER_PASSWORD, Server
from local.table import create_mysql
from tests.browser.site import Page, serving
from tests.e2e.home import Home

FACE, COLOUR, TONE = "하트형", "겨울쿨", "쿨톤"
DATABASE, VOTER = "page", "voter"


@pytest.fixture
def on_mariadb(mariadb: Server) -> dict[str, str]:
    """The variables that lead to an empty table on a real server, for a user who may vote."""
    mariadb.create(DATABASE, index=False)
    with mariadb.admin(DATABASE) as connection:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE analysis_history")
        create_mysql(connection)
    # Not the tests' reader: on this server others rely on it that it may not write.
    rights = f"SELECT, INSERT, UPDATE ON {DATABASE}.analysis_history"
    mariadb.execute(f"CREATE USER {VOTER}@'%%' IDENTIFIED BY %s", [READER_PASSWORD])
    mariadb.execute(f"GRANT {rights} TO {VOTER}@'%'")
    return {"DATABASE_URL": mariadb.url(DATABASE, VOTER), "DB_PASSWORD": READER_PASSWORD}


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_a_vote_given_on_the_page_is_in_the_next_snapshot(
    request: pytest.FixtureRequest, browser: Chrome, home: Home, tmp_path: Path, kind: str
) -> None:
    # Given a service over the votes' database
    where = request.getfixturevalue("on_mariadb") if kind == "mariadb" else {}
    before = datetime.now(UTC) - timedelta(seconds=1)  # some databases keep whole seconds
    with serving(home, tmp_path / "api.log", **where) as site:
        page = Page(browser, site)

        # When a person likes the first style, and thinks again about the second
        page.open()
        page.ask(FACE, COLOUR)
        liked, disliked = [display_name(row.text) for row in page.every("#styles h3")[:2]]
        page.vote(1, "like")
        page.vote(2, "like")
        page.vote(2, "dislike")

    # Then the next run's snapshot holds both, for whom they were and when
    done = home.task("export", **where)
    assert done.exit == 0, done
    newest = snapshot(home, done.result["run_id"])[-2:]
    said = {row["hairstyle"]: row["feedback"] for row in newest}
    assert said == {liked: "like", disliked: "dislike"}
    for row in newest:
        assert (row["face_shape"], row["skin_tone"]) == (FACE, TONE)
        assert before <= row["feedback_at"] <= datetime.now(UTC)
        assert 0 <= row["score"] <= 1


def snapshot(home: Home, run_id: str) -> list[dict[str, Any]]:
    """The votes of a run, in the order of their rows."""
    rows = pq.read_table(home.runs / run_id / "votes.parquet").to_pylist()
    return sorted(rows, key=lambda row: (row["analysis_id"], row["style_index"]))
